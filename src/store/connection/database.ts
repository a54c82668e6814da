import { BrokenCircuitError, CircuitState } from "cockatiel";
import type { Sql } from "postgres";
import { sleep, systemClock, type Clock } from "../../clock.ts";
import { AppError, errorTexts } from "../../errors.ts";
import { silentLog, withSafeErrors, type Log } from "../../log.ts";
import { createAttempt, unavailable } from "./attempt.ts";
import { createBreaker } from "./breaker.ts";
import { createSocketSource } from "./socketSource.ts";
import { openPool } from "./openPool.ts";
import { createPoolerStatements } from "./poolerStatements.ts";
import type { Dsn } from "./dsn.ts";
import { callFunction } from "./callFunction.ts";

/** Reads take milliseconds by an index; the rest is for a database that wakes up or is busy. */
const readDeadlineMs = 5_000;
/** Deadline of a half-open probe. */
const probeDeadlineMs = 2_000;
/** How long `close` waits for calls in flight. */
const closeDeadlineMs = 3_000;

/** The part of a `Config` that `openDatabase` needs. */
export interface DatabaseConfig {
  /** Undefined: `DATABASE_URL` is not set. */
  readonly dsn: Dsn | undefined;
  /** Number of connections; default 10. */
  readonly databasePoolMax?: number | undefined;
}

interface CallOptions {
  /** See `inBackground`. */
  readonly isBackground?: boolean;
}

/** A connection pool with a deadline for every call and a circuit breaker. */
export interface Database {
  /**
   * `select name(argument::jsonb)` in one round trip, also through a pooler.
   * @param name of a SQL function of this program
   * @throws AppError `unavailable` if the database is unreachable, overloaded or does not answer within `deadlineMs`;
   * any other error is Postgres' own
   */
  readonly callFunction: (
    name: string,
    argumentJson: string,
    options: CallOptions & { deadlineMs: number; /** A second argument. */ texts?: string },
  ) => Promise<unknown>;
  /**
   * Runs any statements with the same deadline and errors; the default deadline is 5 s. `work` is called again if its
   * connection ended before anything was sent or the database is starting up, so all its writes must be in one statement
   * or one `sql.begin`.
   */
  readonly run: <T>(work: (sql: Sql) => PromiseLike<T>, options?: CallOptions & { deadlineMs?: number }) => Promise<T>;
  /** Maximum number of simultaneous calls; further ones wait. */
  readonly callsMax: number;
  /** State of the circuit breaker. */
  readonly state: () => "closed" | "half-open" | "open";
  /** Milliseconds since the last call, background calls excluded; before the first call since `openDatabase`. */
  readonly idleMs: () => number;
  /** Number of connection attempts so far. */
  readonly connectionAttempts: () => number;
  /** Waits up to 3 s for calls in flight, then closes every connection. */
  readonly close: () => Promise<void>;
}

/**
 * Connects at the first call.
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
  const statements = dsn.pooled ? createPoolerStatements(sql, log) : null;
  const attempt = createAttempt({ sql, statements, sockets, callsMax: poolMax, log, clock });
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
    callsMax: poolMax,
    callFunction: (name, argumentJson, options) =>
      run((sql) => {
        const given = options.texts === undefined ? [argumentJson] : [argumentJson, options.texts];
        return callFunction(sql, name, given, { isPooled: dsn.pooled });
      }, options),
    state: () =>
      breaker.state === CircuitState.Closed ? "closed" : breaker.state === CircuitState.HalfOpen ? "half-open" : "open",
    idleMs: () => clock.monotonicMs() - usedAtMs,
    connectionAttempts: sockets.attempts,
    close: async () => {
      const deadlineAtMs = clock.nowMs() + closeDeadlineMs;
      while (calls.size > 0 && clock.nowMs() < deadlineAtMs) await sleep(clock, 10);
      // Without a timeout, because postgres.js would also wait for statements that failed with their connection.
      await sql.end({ timeout: 0 });
    },
  };
}
