import { createHmac, createSign, generateKeyPairSync, type KeyObject } from "node:crypto";

const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
const otherKeys = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** The public key as `CLERK_JWT_KEY` has it. */
export const testJwtKey = keys.publicKey.export({ type: "spki", format: "pem" });
export const testParty = "https://app.example.com";

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A Clerk session token of a user; claims, header and key can be given otherwise. */
export function signSession(
  clerkId: string,
  options: { claims?: object; header?: object; key?: "ours" | "other" } = {},
): string {
  const key: KeyObject = options.key === "other" ? otherKeys.privateKey : keys.privateKey;
  const text = toSigningInput(clerkId, options);
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key).toString("base64url")}`;
}

/** What an attacker makes who knows the public key only: an HMAC with it, or no signature at all. */
export function forgeSession(clerkId: string, algorithm: "HS256" | "none"): string {
  const text = toSigningInput(clerkId, { header: { alg: algorithm } });
  return algorithm === "none"
    ? `${text}.`
    : `${text}.${createHmac("sha256", testJwtKey).update(text).digest("base64url")}`;
}

function toSigningInput(clerkId: string, options: { claims?: object; header?: object }): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claims = {
    sub: clerkId,
    azp: testParty,
    iss: "https://clerk.example.com",
    iat: nowSeconds - 10,
    nbf: nowSeconds - 10,
    exp: nowSeconds + 600,
    ...options.claims,
  };
  return `${encode({ alg: "RS256", kid: "ins_1", typ: "JWT", ...options.header })}.${encode(claims)}`;
}
