import { systemClock, type Clock } from "../clock.ts";
import { isClerkId } from "../domain/clerkId.ts";
import { isObject } from "../domain/json.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { createRateLimit } from "../rateLimit.ts";
import { parseJwtKey } from "./parseJwtKey.ts";

/** Deadline for loading Clerk's signing keys, the SDK's own retries included; short, because a caller is waiting. */
const jwksDeadlineMs = 5_000;
/** Limit on key ids not seen before: each costs a request to Clerk, and any caller can invent key ids. */
const newKeysPer10s = 10;

/** The user of a session token; null if the token is not valid. */
export type VerifySession = (token: string) => Promise<{ clerkId: string } | null>;

/** Options of `createSessionVerifier`. Tokens are verified with `jwtKey`, else with the keys fetched from Clerk. */
export interface SessionVerifierOptions {
  /** PEM of the instance's public key; with it no network is needed. */
  readonly jwtKey?: string | undefined;
  /** `CLERK_SECRET_KEY`, with which the SDK fetches the keys from the Backend API; it keeps them for 5 minutes. */
  readonly secretKey?: string | undefined;
  readonly apiUrl: string;
  /** Origins that the token's `azp` may name. If there are any, the SDK rejects a token without `azp`. */
  readonly authorizedParties?: readonly string[] | undefined;
  readonly log: Log;
  readonly clock?: Clock | undefined;
}

/**
 * Creates the verifier. Without either key it accepts no token. It throws AppError `clerk_unavailable` if Clerk's
 * signing keys cannot be loaded.
 * @throws Error if `jwtKey` is not a valid key
 */
export function createSessionVerifier(options: SessionVerifierOptions): VerifySession {
  const { secretKey } = options;
  const jwtKey = options.jwtKey === undefined ? undefined : parseJwtKey(options.jwtKey);
  if (jwtKey === undefined && secretKey === undefined) return () => Promise.resolve(null);
  // Key ids of valid tokens are not limited; unknown ones share the limit.
  const knownKeyIds = new Set<string>();
  const countNewKey = createRateLimit({ usesMax: newKeysPer10s, windowSeconds: 10 });
  return async (token) => {
    // Loaded at the first token: the SDK takes 40 ms and 12 MB.
    const { decodeJwt } = await import("@clerk/backend/jwt");
    const claims = readClaims(token, decodeJwt);
    if (claims === null) return null;
    const waitMs = jwtKey !== undefined || knownKeyIds.has(claims.keyId) ? 0 : await countNewKey("new keys");
    if (waitMs > 0) {
      throw new AppError("clerk_unavailable", "Too many unknown signing keys; try again shortly.", {
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      });
    }
    const clerkId = await verify(token, { ...options, jwtKey });
    if (clerkId !== null) knownKeyIds.add(claims.keyId);
    return clerkId === null ? null : { clerkId };
  };
}

async function verify(token: string, options: SessionVerifierOptions): Promise<string | null> {
  const { verifyToken } = await import("@clerk/backend");
  const { promise: late, reject } = Promise.withResolvers<never>();
  const cancelDeadline = (options.clock ?? systemClock).setTimer(jwksDeadlineMs, () =>
    reject(new Error(`Clerk's signing keys did not arrive within ${jwksDeadlineMs} ms`)),
  );
  try {
    const payload = await Promise.race([
      verifyToken(token, {
        ...(options.jwtKey === undefined ? { secretKey: options.secretKey ?? "" } : { jwtKey: options.jwtKey }),
        apiUrl: options.apiUrl,
        authorizedParties: [...(options.authorizedParties ?? [])],
      }),
      late,
    ]);
    // The sign-in is not complete until the user has done a task (a second factor, a new password): no session yet.
    if (payload["sts"] === "pending") return null;
    return isClerkId(payload.sub) ? payload.sub : null;
  } catch (cause) {
    if (options.jwtKey !== undefined || (await isAboutToken(cause))) {
      options.log.debug({ reason: toReason(cause) }, "[Session] Rejected a token");
      return null;
    }
    throw new AppError("clerk_unavailable", "Clerk's signing keys cannot be loaded; try again shortly.", { cause });
  } finally {
    cancelDeadline();
  }
}

/** Runs before any network call: a token that cannot name a user must not cost a request for keys. */
function readClaims(
  token: string,
  decodeJwt: (token: string) => { header: unknown; payload: unknown },
): { keyId: string } | null {
  try {
    const { header, payload } = decodeJwt(token);
    if (!isObject(header) || !isObject(payload) || !isClerkId(payload["sub"])) return null;
    const algorithm = header["alg"];
    const keyId = header["kid"];
    // Clerk signs with RSA; an HMAC made with the public key, or none at all, is an attack.
    if (typeof algorithm !== "string" || !/^RS(256|384|512)$/.test(algorithm)) return null;
    // Extensions that a verifier must understand (RFC 7515, 4.1.11); the SDK ignores the list, and Clerk uses none.
    if ("crit" in header) return null;
    return { keyId: typeof keyId === "string" ? keyId : "" };
  } catch {
    // Not three parts, not base64url, not JSON: no token.
    return null;
  }
}

/** Whether the SDK rejected the token; false if it could not load Clerk's keys. */
async function isAboutToken(error: unknown): Promise<boolean> {
  const { TokenVerificationError, TokenVerificationErrorReason: reason } = await import("@clerk/backend/errors");
  // Any other error comes from the SDK's request for the keys.
  return (
    error instanceof TokenVerificationError &&
    error.reason !== reason.RemoteJWKFailedToLoad &&
    error.reason !== reason.InvalidSecretKey
  );
}

function toReason(error: unknown): unknown {
  return isObject(error) ? error["reason"] : undefined;
}
