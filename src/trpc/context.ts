import { createHash, timingSafeEqual } from "node:crypto";
import type { Log } from "../log.ts";
import type { Services } from "../service/services.ts";

/** Who calls: a machine with the admin token, or a person with a Clerk session. */
export type Actor = { readonly kind: "machine" } | { readonly kind: "session"; readonly clerkId: string };

/** What every procedure gets. */
export interface SyncContext {
  readonly services: Services;
  readonly log: Log;
  /** Null: nobody known. */
  readonly findActor: () => Promise<Actor | null>;
  /** The role is read from the database at each call. */
  readonly isAdmin: (clerkId: string) => Promise<boolean>;
}

export interface ContextDeps {
  readonly services: Services;
  readonly log: Log;
  readonly adminToken?: string | undefined;
  /** Clerk session token → its user; null if it proves nobody. */
  readonly verifySession?: ((token: string) => Promise<{ clerkId: string } | null>) | undefined;
}

/** Makes the context of one HTTP request out of its `Authorization` header. */
export function createContextFactory(deps: ContextDeps): (headers: Headers) => SyncContext {
  const isAdminToken = createTokenCheck(deps.adminToken);
  return (headers) => {
    const token = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
    let actor: Promise<Actor | null> | undefined;
    return {
      services: deps.services,
      log: deps.log,
      // Once per request, however many calls the batch has.
      findActor: () => (actor ??= findActor(token)),
      isAdmin: async (clerkId) => {
        const { state, user } = await deps.services.users.getUser(clerkId);
        return state === "synced" && user?.role === "admin";
      },
    };
  };

  async function findActor(token: string | undefined): Promise<Actor | null> {
    if (token === undefined) return null;
    if (isAdminToken(token)) return { kind: "machine" };
    const session = await deps.verifySession?.(token);
    return session ? { kind: "session", clerkId: session.clerkId } : null;
  }
}

/** Compares in constant time, whatever the lengths: digests of equal length are compared, not the tokens. */
export function createTokenCheck(adminToken: string | undefined): (token: string) => boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  if (adminToken === undefined) return () => false;
  const expected = digest(adminToken);
  return (token) => timingSafeEqual(digest(token), expected);
}
