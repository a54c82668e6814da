import postgres, { type Sql } from "postgres";
import type { Dsn } from "./dsn.ts";
import type { SocketSource } from "./socketSource.ts";

/** Below the five minutes after which Neon suspends a compute, so that our idle connections do not keep it awake. */
const idleTimeoutSeconds = 120;

/**
 * Connections of postgres.js, none of them made yet.
 * @param callsMax how many calls use it at once, each with one statement or `sql.begin` at a time
 */
export function openPool(dsn: Dsn, sockets: SocketSource, callsMax: number): Sql {
  return postgres({
    host: dsn.host,
    port: dsn.port,
    database: dsn.database,
    user: dsn.user,
    password: dsn.password,
    // One that is being ended, because it was idle or is old, still counts.
    max: callsMax + 1,
    // TLS is made before postgres.js sees the socket.
    ssl: false,
    socket: sockets.open,
    // The least with which `sql.begin` works; `callsMax` sees to it that no statement is sent behind another.
    max_pipeline: 1,
    prepare: !dsn.pooled,
    fetch_types: false,
    // Times stay text, see toIsoTime; drizzle would otherwise change how all callers' times are parsed.
    types: { instant: { to: 1184, from: [1082, 1114, 1184], serialize: String, parse: String } },
    idle_timeout: idleTimeoutSeconds,
    connect_timeout: dsn.connectTimeoutSeconds,
    backoff: () => 0,
    connection: toStartupParameters(dsn),
    onnotice: () => undefined,
  } as postgres.Options<Record<string, postgres.PostgresType>>);
}

/** What the connection is told about itself: only what Postgres, Neon's proxy and every PgBouncer take. */
function toStartupParameters(dsn: Dsn): Record<string, string> {
  // Times are read as text, and the functions need read committed, whatever role or database have for a default; a
  // pooler cannot be told here. The search path stays theirs: their triggers and defaults need it.
  const direct = { default_transaction_isolation: "read committed" };
  return { application_name: dsn.applicationName, DateStyle: "ISO", ...(dsn.pooled ? {} : direct) };
}
