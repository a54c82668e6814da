import { generateKeyPair, sign, type KeyObject } from "node:crypto";
import { promisify } from "node:util";

/** Clerk's session tokens live for a minute. */
const lifetimeSeconds = 60;

/** An instance's key pair: it signs session tokens, and publishes the key that verifies them. */
export interface SessionTokens {
  /** The public key in PEM, for `CLERK_JWT_KEY`. */
  readonly jwtKey: string;
  /** The answer of `GET /v1/jwks`. */
  readonly jwks: { readonly keys: readonly Record<string, unknown>[] };
  /** A token for this user, valid for a minute; `claims` on top. */
  readonly sign: (clerkId: string, claims?: Readonly<Record<string, unknown>>) => string;
}

/** Makes a key pair, which takes a tenth of a second. */
export async function createSessionTokens(options: { instanceId: string; now: () => number }): Promise<SessionTokens> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
  const kid = options.instanceId;
  return {
    jwtKey: publicKey.export({ type: "spki", format: "pem" }),
    jwks: { keys: [{ use: "sig", alg: "RS256", kid, ...publicKey.export({ format: "jwk" }) }] },
    sign: (clerkId, claims = {}) => {
      const issuedAt = Math.floor(options.now() / 1000);
      return signToken(privateKey, kid, {
        azp: "http://localhost:3000",
        exp: issuedAt + lifetimeSeconds,
        iat: issuedAt,
        iss: "https://made-up.clerk.accounts.dev",
        nbf: issuedAt - 10,
        sid: `sess_${clerkId.slice("user_".length)}`,
        sts: "active",
        sub: clerkId,
        v: 2,
        ...claims,
      });
    },
  };
}

function signToken(key: KeyObject, kid: string, payload: object): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const text = `${encode({ alg: "RS256", cat: "cl_B7d4PD111AAA", kid, typ: "JWT" })}.${encode(payload)}`;
  return `${text}.${sign("RSA-SHA256", Buffer.from(text), key).toString("base64url")}`;
}
