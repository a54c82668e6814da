import { createPublicKey } from "node:crypto";

/** Start of every RSA key of 2048 bits with exponent 65537. The SDK cuts exactly this off to find the modulus. */
const clerkKeyPrefix = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA";

/**
 * CLERK_JWT_KEY as the SDK reads it. Dashboards and .env files drop the line breaks of a PEM or write them as `\n`; the
 * SDK accepts such a key and then rejects every token.
 * @throws Error with a text that never holds the value
 */
export function parseJwtKey(text: string): string {
  const body = /^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----$/.exec(
    text.replace(/\\r|\\n/g, "\n").trim(),
  )?.[1];
  if (body === undefined) throw new Error("must be a public key in PEM");
  const base64 = body.replace(/\s+/g, "");
  const pem = `-----BEGIN PUBLIC KEY-----\n${base64.replace(/.{64}(?=.)/g, "$&\n")}\n-----END PUBLIC KEY-----`;
  if (!base64.startsWith(clerkKeyPrefix) || !canRead(pem)) throw new Error("must be an RSA public key of 2048 bits");
  return pem;
}

function canRead(pem: string): boolean {
  try {
    createPublicKey(pem);
    return true;
  } catch {
    // The caller's text replaces OpenSSL's.
    return false;
  }
}
