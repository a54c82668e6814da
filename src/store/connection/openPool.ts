import postgres, { type Sql } from "postgres";
import type { Dsn } from "./dsn.ts";
import type { SocketSource } from "./socketSource.ts";

/** Less than the five minutes after which Neon suspends a compute. */
const idleTimeoutSeconds = 120;

/**
 * A postgres.js pool; connects at the first call.
 * @param callsMax number of concurrent calls, each with one statement or one `sql.begin` at a time
 */
export function openPool(dsn: Dsn, sockets: SocketSource, callsMax: number): Sql {
  return postgres({
    host: dsn.host,
    port: dsn.port,
    database: dsn.database,
    user: dsn.user,
    password: dsn.password,
    // A connection that is being closed, because it was idle or is old, still counts.
    max: callsMax + 1,
    // `sockets` has already negotiated TLS.
    ssl: false,
    socket: sockets.open,
    // The least with which `sql.begin` works; `callsMax` ensures that statements are not pipelined.
    max_pipeline: 1,
    prepare: !dsn.pooled,
    fetch_types: false,
    // Times stay text, see toIsoTime; otherwise drizzle would replace the parsers of the whole pool.
    types: { instant: { to: 1184, from: [1082, 1114, 1184], serialize: String, parse: String } },
    idle_timeout: idleTimeoutSeconds,
    connect_timeout: dsn.connectTimeoutSeconds,
    backoff: () => 0,
    connection: toStartupParameters(dsn),
    onnotice: () => undefined,
  } as postgres.Options<Record<string, postgres.PostgresType>>);
}

/** Only parameters that Postgres, Neon's proxy and every PgBouncer accept. */
function toStartupParameters(dsn: Dsn): Record<string, string> {
  // Parsing of times needs DateStyle ISO, and the functions need read committed, whatever the defaults of role and
  // database are; PgBouncer does not accept the latter. search_path is left alone: the team's triggers depend on it.
  const direct = { default_transaction_isolation: "read committed" };
  return { application_name: dsn.applicationName, DateStyle: "ISO", ...(dsn.pooled ? {} : direct) };
}
