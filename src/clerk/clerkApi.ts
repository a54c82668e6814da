import { AppError } from "../errors.ts";

/** A user as JSON from Clerk's Backend API (`user.raw` in the SDK). Only `id` is validated. */
export type ClerkUser = { readonly id: string } & Readonly<Record<string, unknown>>;

/** An element of Clerk's list that is not a readable user. `shown`: its id, or its type if it has none. */
export interface UnreadableElement {
  readonly id: null;
  readonly shown: string;
  /** Set for a user whose record is too large to read. */
  readonly clerkId?: string;
}

/** Parameters of `GET /v1/users`. `startingAfter` is a user id and works only with `created_at` order (docs). */
export interface ClerkUserPageQuery {
  /** 1–500 */
  readonly limit: number;
  readonly orderBy: "+created_at" | "-updated_at";
  readonly startingAfter?: string;
  /** Only users created after this time, epoch milliseconds. */
  readonly createdAtAfterMs?: number;
  readonly offset?: number;
}

/** Options of every method of `ClerkApi`. */
export interface ClerkCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the call with its retries, if shorter than the client's own deadline. */
  readonly deadlineMs?: number | undefined;
}

/**
 * The part of Clerk's Backend API in use. Every method throws `AppError` `clerk_unavailable` (no answer, 5xx, 401, an
 * unexpected body) or `too_many_requests` (429 after the retries); neither means that a user is gone. A malformed id or a
 * limit out of range is `bad_request` before any request; an aborted `signal` rejects with its reason.
 */
export interface ClerkApi {
  /** The user; null only if Clerk answered 404 with its own error body. */
  getUser(clerkId: string, options?: ClerkCallOptions): Promise<ClerkUser | null>;
  /**
   * One page; one HTTP request, or several if the answer is too large.
   * @throws AppError `not_found` if the user of `startingAfter` no longer exists
   */
  listUsers(query: ClerkUserPageQuery, options?: ClerkCallOptions): Promise<readonly (ClerkUser | UnreadableElement)[]>;
  /** The existing users among at most 100 ids; one HTTP request, or several if the answer is too large. */
  findUsers(clerkIds: readonly string[], options?: ClerkCallOptions): Promise<readonly ClerkUser[]>;
  /** The instance that the key belongs to (`ins_…`); null, or a client without this method: unknown. */
  findInstanceId?(options?: ClerkCallOptions): Promise<string | null>;
  /** Number of users of the instance. */
  countUsers(options?: ClerkCallOptions): Promise<number>;
}

/** A client that makes every call of `clerk` through `around`, which sets the call's options. */
export function mapClerkCalls(
  clerk: ClerkApi,
  around: <T>(call: (options: ClerkCallOptions) => Promise<T>) => Promise<T>,
): ClerkApi {
  return {
    getUser: (clerkId) => around((options) => clerk.getUser(clerkId, options)),
    listUsers: (query) => around((options) => clerk.listUsers(query, options)),
    findUsers: (clerkIds) => around((options) => clerk.findUsers(clerkIds, options)),
    findInstanceId: () => around((options) => clerk.findInstanceId?.(options) ?? Promise.resolve(null)),
    countUsers: () => around((options) => clerk.countUsers(options)),
  };
}

/**
 * The client, which is null without a key.
 * @throws AppError `precondition_failed` naming `CLERK_SECRET_KEY`
 */
export function requireClerk(clerk: ClerkApi | null): ClerkApi {
  if (clerk === null)
    throw new AppError("precondition_failed", "CLERK_SECRET_KEY is not set; the server needs it to ask Clerk.");
  return clerk;
}
