import { BrokenCircuitError, CircuitState } from "cockatiel";
import type { Sql } from "postgres";
import { sleep, systemClock, type Clock } from "../../clock.ts";
import { AppError, errorTexts } from "../../errors.ts";
import { silentLog, withSafeErrors, type Log } from "../../log.ts";
import { createAttempt, unavailable } from "./attempt.ts";
import { createBreaker } from "./breaker.ts";
import { functionsSchema } from "../migration/sqlFunctions.ts";
import { createSocketSource } from "./socketSource.ts";
import { openPool } from "./openPool.ts";
import type { Dsn } from "./dsn.ts";
import { callThroughPooler } from "./callThroughPooler.ts";

/** What is read here comes by an index in milliseconds; the rest is for a database that wakes up or is busy. */
const readDeadlineMs = 5_000;
/** A call that only finds out whether the database is back must not hang as long as one that works. */
const probeDeadlineMs = 2_000;
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
  const attempt = createAttempt({ sql, sockets, callsMax: poolMax, log, clock });
  let usedAtMs = clock.monotonicMs();

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
