import { systemClock, type Clock } from "../clock.ts";
import { isClerkId } from "../domain/clerkId.ts";
import { isObject } from "../domain/json.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { createRateLimit } from "../rateLimit.ts";
import { parseJwtKey } from "./parseJwtKey.ts";

/** Loading Clerk's signing keys, the SDK's own retries included: a caller is waiting. */
const jwksDeadlineMs = 5_000;
/** A key id not seen before costs a request to Clerk, and any caller can invent key ids. */
const newKeysPer10s = 10;

/** The user of a session token; null if the token is not valid. */
export type VerifySession = (token: string) => Promise<{ clerkId: string } | null>;

/** Which key verifies tokens: `jwtKey`, else those that `secretKey` fetches. */
export interface SessionVerifierOptions {
  /** PEM of the instance's public key; with it no network is needed. */
  readonly jwtKey?: string | undefined;
  /** Else the keys are fetched from the Backend API with this, and kept by the SDK for 5 minutes. */
  readonly secretKey?: string | undefined;
  readonly apiUrl: string;
  /** Origins the token may come from. With any, a token without `azp` is refused, as the SDK decides. */
  readonly authorizedParties?: readonly string[] | undefined;
  readonly log: Log;
  readonly clock?: Clock | undefined;
}

/**
 * Without either key no token is valid.
 * @throws Error if `jwtKey` is no key. The built function throws AppError `clerk_unavailable` if Clerk's signing keys could not be loaded.
 */
export function createSessionVerifier(options: SessionVerifierOptions): VerifySession {
  const { secretKey } = options;
  const jwtKey = options.jwtKey === undefined ? undefined : parseJwtKey(options.jwtKey);
  if (jwtKey === undefined && secretKey === undefined) return () => Promise.resolve(null);
  // Key ids of valid tokens are not limited; unknown ones share the limit.
  const knownKeyIds = new Set<string>();
  const countNewKey = createRateLimit({ usesMax: newKeysPer10s, windowSeconds: 10 });
  return async (token) => {
    // The SDK costs 40 ms and 12 MB to load, which a server that sees no sessions need not pay.
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
    // Clerk demands a task before the sign-in is complete (a second factor, a new password): no session yet, as in the SDK.
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

/** Checked before any network call: a token that cannot name a user must not cost a request for keys. */
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

/** Whether the SDK's failure is the token's fault, rather than that Clerk's keys did not come. */
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
