import type { Log } from "../log.ts";
import type { Services } from "../service/services.ts";
import { createTokenCheck, findBearerToken } from "../auth/bearerToken.ts";
import { createRateLimits, type RateLimits } from "../auth/rateLimits.ts";

/** Who calls: a machine with the admin token, or a person with a Clerk session. */
export type Actor = { readonly kind: "machine" } | { readonly kind: "session"; readonly clerkId: string };

/** Context of every procedure. */
export interface SyncContext {
  readonly services: Services;
  /** Writes the request's id in each line, if there is one. */
  readonly log: Log;
  /** Id of the HTTP request; also in the `data` of errors. */
  readonly requestId?: string | undefined;
  /** Null: no known caller. @throws AppError `too_many_requests` when the client's address failed too often */
  readonly findActor: () => Promise<Actor | null>;
  /** The role is read from the database at each call. */
  readonly isAdmin: (clerkId: string) => Promise<boolean>;
  /** Counts a call against its caller's rate. @throws AppError `too_many_requests` */
  readonly countCall: (actor: Actor) => Promise<void>;
}

/** Dependencies that the contexts of all requests share. */
export interface ContextDeps {
  readonly services: Services;
  readonly log: Log;
  readonly adminToken?: string | undefined;
  /** Clerk session token → its user; null if it proves no user. */
  readonly verifySession?: ((token: string) => Promise<{ clerkId: string } | null>) | undefined;
  readonly rateLimits?: RateLimits | undefined;
}

/**
 * Makes the context of one HTTP request out of its `Authorization` header. `clientAddress` is that of the connection,
 * never a header's, which any client can write; without it all clients count as one.
 */
export type CreateContext = (headers: Headers, clientAddress?: string, requestId?: string) => SyncContext;

/** The caller is identified at the first procedure that asks, once per request. */
export function createContextFactory(deps: ContextDeps): CreateContext {
  const isAdminToken = createTokenCheck(deps.adminToken);
  const { countCall, countFailure } = deps.rateLimits ?? createRateLimits();
  return (headers, clientAddress = "unknown", requestId) => {
    let actor: Promise<Actor | null> | undefined;
    return {
      services: deps.services,
      log: requestId === undefined ? deps.log : deps.log.child({ requestId }),
      requestId,
      findActor: () => (actor ??= findActor(findBearerToken(headers), clientAddress)),
      isAdmin: async (clerkId) => {
        const { state, user } = await deps.services.users.getUser(clerkId);
        return state === "synced" && user?.role === "admin";
      },
      countCall,
    };
  };

  async function findActor(token: string | undefined, clientAddress: string): Promise<Actor | null> {
    if (token === undefined) return null;
    if (isAdminToken(token)) return { kind: "machine" };
    const session = await deps.verifySession?.(token);
    if (session) return { kind: "session", clerkId: session.clerkId };
    await countFailure(clientAddress);
    return null;
  }
}
