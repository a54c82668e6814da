import { createHash, timingSafeEqual } from "node:crypto";

/** The token of an `Authorization: Bearer` header. */
export function findBearerToken(headers: Headers): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "")?.[1];
}

/** Compares in constant time, whatever the lengths: digests of equal length are compared, not the tokens. */
export function createTokenCheck(adminToken: string | undefined): (token: string) => boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  if (adminToken === undefined) return () => false;
  const expected = digest(adminToken);
  return (token) => timingSafeEqual(digest(token), expected);
}
