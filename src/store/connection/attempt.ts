import { bulkhead } from "cockatiel";
import type { Sql } from "postgres";
import type { Clock } from "../../clock.ts";
import { AppError, errorTexts } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { retry } from "../../retry.ts";
import { isNeverSent, isReadOnlySession, isStartingUp, isTransient, isUnmarkedPooler } from "./pgErrors.ts";
import type { PoolerStatements } from "./poolerStatements.ts";
import type { SocketSource } from "./socketSource.ts";

/** Retry interval while the database is starting up: the call is delayed and does not fail. */
const startingUpPauseMs = 200;
/** Limit of these retries: a compute wakes within seconds, an exhausted quota does not recover. */
const startingUpMsMax = 30_000;

/**
 * Runs a call on a connection of its own, until its deadline. Retries if the database is starting up, if the connection
 * ended before anything was sent, or if the pooler has lost the call's prepared statement.
 */
export function createAttempt(deps: {
  sql: Sql;
  /** Null: no pooler, prepared statements are used. */
  statements: PoolerStatements | null;
  sockets: SocketSource;
  callsMax: number;
  log: Log;
  clock: Clock;
}) {
  const { sql, statements, sockets, log, clock } = deps;
  // Limits the calls to the number of connections. postgres.js would pipeline a statement behind another, and a PgBouncer
  // older than 1.21 releases the server connection after the first one: the second is then never answered.
  const slots = bulkhead(deps.callsMax, Infinity);

  return async function attempt<T>(work: (sql: Sql) => PromiseLike<T>, deadlineMs: number): Promise<T> {
    const deadline = Promise.withResolvers<never>();
    const sinceMs = clock.nowMs();
    let refusal: unknown;
    let isLate = false;
    let wasLost = false;

    function findWaitMs(cause: unknown): number | undefined {
      const isLost: boolean = !wasLost && statements?.endIfLost(cause) === true;
      wasLost ||= isLost;
      if (isLost || isNeverSent(cause)) return clock.nowMs() < sinceMs + deadlineMs ? 0 : undefined;
      if (!isStartingUp(cause)) return undefined;
      refusal = cause;
      const untilMs = sinceMs + Math.min(deadlineMs, startingUpMsMax);
      return clock.nowMs() + startingUpPauseMs < untilMs ? startingUpPauseMs : undefined;
    }

    async function use(): Promise<T> {
      await statements?.decide();
      return isLate ? deadline.promise : work(sql);
    }

    const cancelDeadline = clock.setTimer(deadlineMs, () => {
      isLate = true;
      sockets.destroySuspects({ silentMs: deadlineMs / 2, sinceMs });
      deadline.reject(unavailable(errorTexts.databaseTimeout, refusal));
    });
    try {
      const answer = slots.execute(() => (isLate ? deadline.promise : retry(use, { clock, findWaitMs })));
      return await Promise.race([answer, deadline.promise]);
    } catch (cause) {
      if (isUnmarkedPooler(cause)) {
        log.error({ err: cause }, "[Database] DATABASE_URL leads to a pooler; add pgbouncer=true to it");
      }
      // Sessions stay read-only after the database has become writable again.
      if (isReadOnlySession(cause)) sockets.destroySuspects({ silentMs: Infinity, sinceMs: Infinity });
      throw isTransient(cause) ? unavailable(errorTexts.databaseAway, cause) : cause;
    } finally {
      cancelDeadline();
    }
  };
}

/** The error for a call without an answer; the client may retry after 5 s. */
export function unavailable(message: string, cause?: unknown): AppError {
  return new AppError("unavailable", message, { cause, retryAfterSeconds: 5 });
}
