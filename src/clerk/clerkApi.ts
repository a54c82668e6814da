import { AppError } from "../errors.ts";

/** A user as Clerk's Backend API sends it (`user.raw` of the SDK): untouched JSON, of which only `id` is relied on. */
export type ClerkUser = { readonly id: string } & Readonly<Record<string, unknown>>;

/** An element of Clerk's list that is no readable user: `shown` is its id if it has one, else what it is. */
export interface OddElement {
  readonly id: null;
  readonly shown: string;
  /** Of a user who is too large to be read. */
  readonly clerkId?: string;
}

/** One page of `GET /v1/users`. `startingAfter` is a user id and works only with `created_at` order (docs). */
export interface ClerkUserPageQuery {
  /** 1–500 */
  readonly limit: number;
  readonly orderBy: "+created_at" | "-updated_at";
  readonly startingAfter?: string;
  /** Users created after this moment, epoch milliseconds. */
  readonly createdAtAfterMs?: number;
  readonly offset?: number;
}

export interface ClerkCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds for the whole call with its retries, if fewer than the client's own; for callers who wait. */
  readonly deadlineMs?: number | undefined;
}

/**
 * Clerk's Backend API as this program needs it; the real client and the simulated Clerk stand behind it.
 * Every method throws `AppError` `clerk_unavailable` (no answer, 5xx, nonsense, 401) or `too_many_requests` (429 after
 * the bounded retries), and never reads any of these as "gone".
 * An id that is none, or a limit out of range, is `bad_request` before any call; an aborted `signal` rejects with its reason.
 */
export interface ClerkApi {
  /** The user, or null only when Clerk itself answered 404 with its own error body. */
  getUser(clerkId: string, options?: ClerkCallOptions): Promise<ClerkUser | null>;
  /**
   * One page; shorter than `limit` means the last one. One HTTP request, several if the answer is too large.
   * @throws AppError `not_found` when Clerk does not know the user of `startingAfter`, deleted meanwhile
   */
  listUsers(query: ClerkUserPageQuery, options?: ClerkCallOptions): Promise<readonly (ClerkUser | OddElement)[]>;
  /** Those of at most 100 ids that exist; unknown ids are absent. One HTTP request. */
  findUsers(clerkIds: readonly string[], options?: ClerkCallOptions): Promise<readonly ClerkUser[]>;
  /** The id of the instance that the key belongs to; null where Clerk names none. Without it: none is named. */
  findInstanceId?(options?: ClerkCallOptions): Promise<string | null>;
  /** How many users the instance has. */
  countUsers(options?: ClerkCallOptions): Promise<number>;
}

/**
 * Where there may be no key, the client is `ClerkApi | null`; a call that needs it asks here.
 * @throws AppError `precondition_failed` naming `CLERK_SECRET_KEY`
 */
export function requireClerk(clerk: ClerkApi | null): ClerkApi {
  if (clerk === null) throw new AppError("precondition_failed", "CLERK_SECRET_KEY is not set.");
  return clerk;
}
