import { BrokenCircuitError, CircuitState } from "cockatiel";
import postgres, { type Sql } from "postgres";
import { sleep, systemClock, type Clock } from "../../clock.ts";
import { AppError, errorTexts } from "../../errors.ts";
import { silentLog, withSafeErrors, type Log } from "../../log.ts";
import { retry } from "../../retry.ts";
import { createBreaker } from "./breaker.ts";
import { functionsSchema } from "../migration/sqlFunctions.ts";
import { createSocketSource, type SocketSource } from "./socketSource.ts";
import type { Dsn } from "./dsn.ts";
import { callThroughPooler } from "./callThroughPooler.ts";
import { isNeverSent, isStartingUp, isTransient, isUnmarkedPooler } from "./pgErrors.ts";

/** What is read here comes by an index in milliseconds; the rest is for a database that wakes up or is busy. */
const readDeadlineMs = 5_000;
/** A call that only finds out whether the database is back must not hang as long as one that works. */
const probeDeadlineMs = 2_000;
/** A database that is waking up says so; asked this often, until the call's deadline, it costs a delay and no failure. */
const startingUpPauseMs = 200;
/** … and no longer than this: a compute wakes within seconds, a quota that is used up stays. */
const startingUpMsMax = 30_000;
/** Below the five minutes after which Neon suspends a compute, so that our idle connections do not keep it awake. */
const idleTimeoutSeconds = 120;
/** How long closing waits for calls under way. */
const closeDeadlineMs = 3_000;

/** The part of a `Config` that a pool of connections is made of. */
export interface DatabaseConfig {
  /** Undefined: not configured. */
  readonly dsn: Dsn | undefined;
  /** Connections; 10 unless given. */
  readonly databasePoolMax?: number | undefined;
}

interface CallOptions {
  /** See `inBackground`. */
  readonly isBackground?: boolean;
}

/** A pool of connections where every call has a deadline and an absent database costs nothing. */
export interface Database {
  /**
   * `select name(argument::jsonb)` in one round trip, also through a pooler.
   * @param name of a SQL function of this program
   * @throws AppError `unavailable` when the database is away, overloaded or does not answer within `deadlineMs`;
   * any other error is Postgres' own
   */
  readonly callFunction: (
    name: string,
    argumentJson: string,
    options: CallOptions & { deadlineMs: number; /** A second argument. */ texts?: string },
  ) => Promise<unknown>;
  /**
   * Anything else, with the same deadline and errors. `work` is called again if a statement met a connection that had
   * ended before anything was sent, or a database that is starting up: what it writes stands in one statement or in
   * one `sql.begin`. Without `deadlineMs` it has the time of an ordinary read.
   */
  readonly run: <T>(work: (sql: Sql) => PromiseLike<T>, options?: CallOptions & { deadlineMs?: number }) => Promise<T>;
  /** `open`: calls fail at once, but for one a second. */
  readonly state: () => "closed" | "half-open" | "open";
  /** Milliseconds since the last call that is not of the background, or since the opening: how long the database may sleep already. */
  readonly idleMs: () => number;
  /** Connection attempts made so far. */
  readonly connectionAttempts: () => number;
  /** Waits a moment for calls under way, then ends every connection. */
  readonly close: () => Promise<void>;
}

/**
 * Connects to nothing yet: the first call does.
 * @throws AppError `precondition_failed` if the configuration names no database
 */
export function openDatabase(
  { dsn, databasePoolMax: poolMax = 10 }: DatabaseConfig,
  { log = silentLog, clock = systemClock }: { log?: Log; clock?: Clock | undefined } = {},
): Database {
  if (dsn === undefined) throw new AppError("precondition_failed", "DATABASE_URL is missing.");
  const sockets = createSocketSource(dsn, clock);
  const sql = openPool(dsn, sockets, poolMax);
  const breaker = createBreaker({ log: withSafeErrors(log), clock });
  const calls = new Set<symbol>();
  let usedAtMs = clock.monotonicMs();

  async function attempt<T>(work: (sql: Sql) => PromiseLike<T>, deadlineMs: number): Promise<T> {
    const deadline = Promise.withResolvers<never>();
    const sinceMs = clock.nowMs();
    let refusal: unknown;

    function findWaitMs(cause: unknown): number | undefined {
      if (isNeverSent(cause)) return clock.nowMs() < sinceMs + deadlineMs ? 0 : undefined;
      if (!isStartingUp(cause)) return undefined;
      refusal = cause;
      const untilMs = sinceMs + Math.min(deadlineMs, startingUpMsMax);
      return clock.nowMs() + startingUpPauseMs < untilMs ? startingUpPauseMs : undefined;
    }

    const cancelDeadline = clock.setTimer(deadlineMs, () => {
      sockets.destroySuspects({ silentMs: deadlineMs / 2, sinceMs });
      deadline.reject(unavailable(errorTexts.databaseTimeout, refusal));
    });
    try {
      return await Promise.race([retry(() => work(sql), { clock, findWaitMs }), deadline.promise]);
    } catch (cause) {
      if (isUnmarkedPooler(cause)) log.error({ err: cause }, "[Database] A pooler: add pgbouncer=true to DATABASE_URL");
      throw isTransient(cause) ? unavailable(errorTexts.databaseAway, cause) : cause;
    } finally {
      cancelDeadline();
    }
  }

  async function run<T>(
    work: (sql: Sql) => PromiseLike<T>,
    { deadlineMs = readDeadlineMs, isBackground = false }: CallOptions & { deadlineMs?: number } = {},
  ): Promise<T> {
    const call = Symbol("call");
    if (!isBackground) usedAtMs = clock.monotonicMs();
    calls.add(call);
    try {
      const probing = breaker.state !== CircuitState.Closed;
      return await breaker.execute(() => attempt(work, probing ? Math.min(deadlineMs, probeDeadlineMs) : deadlineMs));
    } catch (cause) {
      throw cause instanceof BrokenCircuitError ? unavailable(errorTexts.databaseAway, cause) : cause;
    } finally {
      calls.delete(call);
    }
  }

  return {
    run,
    callFunction: (name, argumentJson, options) =>
      run(async (sql) => {
        const given = options.texts === undefined ? [argumentJson] : [argumentJson, options.texts];
        const [row] = await (dsn.pooled ? callThroughPooler : callDirectly)(sql, name, given);
        return row?.["answer"] as unknown;
      }, options),
    state: () =>
      breaker.state === CircuitState.Closed ? "closed" : breaker.state === CircuitState.HalfOpen ? "half-open" : "open",
    idleMs: () => clock.monotonicMs() - usedAtMs,
    connectionAttempts: sockets.attempts,
    close: async () => {
      const deadlineAtMs = clock.nowMs() + closeDeadlineMs;
      while (calls.size > 0 && clock.nowMs() < deadlineAtMs) await sleep(clock, 10);
      // Not left to postgres.js, which also waits for statements that failed with their connection.
      await sql.end({ timeout: 0 });
    },
  };
}

function callDirectly(sql: Sql, name: string, given: string[]) {
  const parameters = given.length === 1 ? "$1::text::jsonb" : "$1::text::jsonb, $2::text";
  return sql.unsafe(`select ${functionsSchema}.${name}(${parameters}) as answer`, given, { prepare: true });
}

function openPool(dsn: Dsn, sockets: SocketSource, poolMax: number): Sql {
  return postgres({
    host: dsn.host,
    port: dsn.port,
    database: dsn.database,
    user: dsn.user,
    password: dsn.password,
    max: poolMax,
    // TLS is made before postgres.js sees the socket.
    ssl: false,
    socket: sockets.open,
    // As few questions behind another on one connection as postgres.js can, so that a silent one holds up no other.
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

function unavailable(message: string, cause?: unknown): AppError {
  return new AppError("unavailable", message, { cause, retryAfterSeconds: 5 });
}
