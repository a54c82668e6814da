import { findStartUpError, isStartingUp, isUnmarkedPooler } from "../store/connection/pgErrors.ts";

const untrusted =
  "the server's certificate is not trusted: set NODE_EXTRA_CA_CERTS to the file of the authority that signed it";

/** By SQLSTATE or socket error code. */
const advice: Readonly<Record<string, string>> = {
  "28P01": "the password is wrong: copy the connection string again",
  "28000": "the user may not log in from here: check user, password and sslmode",
  "3D000": "the database does not exist: check its name in the URL",
  "08P01": "the pooler refuses: check user, password and the database's name",
  "53300": "there are no connections left: lower DATABASE_POOL_MAX, or use the pooled URL",
  "42501": "the role lacks a right: use the owner of the tables, or grant it what is named in the log",
  "42P01": "its tables are missing or old: run `bun run db:migrate`",
  "42703": "its tables are missing or old: run `bun run db:migrate`",
  "3F000": "its functions are missing or old: run `bun run db:migrate`",
  "42883": "its functions are missing or old: run `bun run db:migrate`",
  ENOTFOUND: "the host name is unknown: check the URL",
  EAI_AGAIN: "the host name cannot be looked up: check the network's name server",
  ECONNREFUSED: "nothing listens there: check host and port, and that the database is running",
  ENOENT: "there is no such socket: check the host in the URL",
  CONNECT_TIMEOUT: "did not answer within the connect timeout: check host, port and firewall",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another name: use the host name that it was made for",
  CERT_HAS_EXPIRED: "the server's certificate has expired: have it renewed",
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
};

/** What to do about a database that refuses or cannot be reached; undefined for an unknown error. */
export function findDatabaseAdvice(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error.message.includes("offers no TLS")) {
    return "the server offers no TLS: take sslmode out of the URL, or turn its TLS on";
  }
  if (isUnmarkedPooler(error)) {
    return "the pooler keeps no prepared statements: add pgbouncer=true to the URL, or use the -pooler host";
  }
  if (isStartingUp(error)) {
    const text = findStartUpError(error)?.message ?? "";
    // Neon's proxy has one SQLSTATE for all its errors.
    return text.includes("password authentication failed")
      ? advice["28P01"]
      : `the server accepts no connections: ${text}. If this lasts, check the project in Neon's console`;
  }
  const known = "code" in error && typeof error.code === "string" ? advice[error.code] : undefined;
  return known ?? findDatabaseAdvice(error.cause);
}
