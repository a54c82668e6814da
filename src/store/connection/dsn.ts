import { isIP } from "node:net";

/** `verified`: certificate and host name are checked; `if-offered`: plain if the server refuses TLS. */
export type TlsMode = "off" | "if-offered" | "unverified" | "verified";

/** A parsed Postgres URL. */
export interface Dsn {
  /** Host name, IP address, or folder of a Unix-domain socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly tls: TlsMode;
  /** Whether a pooler in transaction mode is in front of the database; see `createPoolerStatements`. */
  readonly pooled: boolean;
  readonly connectTimeoutSeconds: number;
  readonly applicationName: string;
  /** Names of URL parameters that have no effect here. */
  readonly ignoredParameters: readonly string[];
}

/** Neon wakes within a second; two attempts fit into the webhook's deadline of 8 s. */
const defaultConnectTimeoutSeconds = 3;
const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
const understood = new Set(
  "host port user password dbname sslmode ssl connect_timeout application_name pgbouncer".split(" "),
);

/**
 * Parses a URL as Neon prints it, with libpq's defaults (port 5432, database named like the user). Parameters of libpq
 * alone are dropped: postgres.js would send them as start-up parameters, which Postgres and PgBouncer refuse.
 * @throws Error with a text that completes "DATABASE_URL …" and never contains a value
 */
export function parseDsn(text: string): Dsn {
  // Neon's console also shows the URL as an argument of psql, in quotes.
  if (/^psql\s/i.test(text)) throw new Error("begins with the command psql; give the URL alone, without quotes");
  if (/^["'`]|["'`]$/.test(text)) throw new Error("has quotes around it; give the URL without them");
  if (!URL.canParse(text)) {
    throw new Error("is not a URL (special characters in the password must be percent-encoded)");
  }
  const url = new URL(text);
  if (!/^postgres(ql)?:$/.test(url.protocol)) throw new Error("must begin with postgres:// or postgresql://");
  // As in libpq, a parameter overrides the same part of the URL.
  const find = (name: string) => url.searchParams.get(name) || undefined;
  const host = find("host") ?? decode(url.hostname, "host name").replace(/^\[|\]$/g, "");
  if (host === "") throw new Error("names no host");
  if (host.includes(",")) throw new Error("names several hosts; one is needed");
  const user = find("user") ?? decode(url.username, "user name");
  if (user === "") throw new Error("names no user");
  return {
    host,
    port: parsePort(find("port") ?? (url.port || "5432")),
    database: find("dbname") ?? (decode(url.pathname.slice(1), "database name") || user),
    user,
    password: find("password") ?? decode(url.password, "password"),
    tls: toTlsMode(parseSslMode(find("sslmode"), find("ssl")), host),
    pooled: /^[^.]+-pooler\./.test(host) || find("pgbouncer") === "true",
    connectTimeoutSeconds: parseTimeout(url.searchParams.get("connect_timeout")),
    applicationName: find("application_name") ?? "clerk-neon-sync",
    ignoredParameters: [...new Set(url.searchParams.keys())].filter((name) => !understood.has(name)),
  };
}

/** `require` verifies like `verify-full`, except on loopback: to a public host an unverified certificate is no protection. */
function toTlsMode(sslMode: string | undefined, host: string): TlsMode {
  if (host.startsWith("/")) return "off";
  if (sslMode === "verify-full" || sslMode === "verify-ca") return "verified";
  if (sslMode === "require") return isLoopback(host) ? "unverified" : "verified";
  if (sslMode === "disable") return "off";
  return isLoopback(host) ? "off" : "if-offered";
}

/** The parsed settings as lines for `doctor`, without secrets. */
export function describeDsn(dsn: Dsn): string[] {
  const tls = { off: "off", "if-offered": "if the server offers it", unverified: "on", verified: "on, verified" };
  return [
    `host ${dsn.host}, port ${dsn.port}, database ${dsn.database}, user ${dsn.user}, password ${dsn.password ? "set" : "not set"}`,
    `TLS ${tls[dsn.tls]}; ${dsn.pooled ? "pooled (transaction mode)" : "direct"}; connect timeout ${dsn.connectTimeoutSeconds} s`,
    ...(dsn.ignoredParameters.length > 0
      ? [`ignored, because they have no effect here: ${dsn.ignoredParameters.join(", ")}`]
      : []),
  ];
}

/** Whether the host is this machine: loopback addresses, `localhost` names and Unix-domain sockets. */
export function isLoopback(host: string): boolean {
  if (host.startsWith("/") || host === "localhost" || host.endsWith(".localhost") || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new Error(`has a ${what} that is not percent-encoded correctly`, { cause });
  }
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error("has an invalid port");
  return port;
}

function parseSslMode(sslMode: string | undefined, ssl: string | undefined): string | undefined {
  // `ssl` is how other drivers spell it.
  const mode = sslMode ?? (ssl === "true" || ssl === "1" ? "require" : undefined);
  if (mode !== undefined && !sslModes.includes(mode)) throw new Error("has an unknown sslmode");
  return mode;
}

function parseTimeout(text: string | null): number {
  if (text === null) return defaultConnectTimeoutSeconds;
  const seconds = Number(text);
  if (!Number.isFinite(seconds) || seconds < 0)
    throw new Error("has a connect_timeout that is not a number of seconds");
  // In libpq 0 means no limit; the deadline of the call applies.
  return seconds === 0 ? 3600 : seconds;
}
