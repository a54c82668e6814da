import { bulkhead } from "cockatiel";
import type { Sql } from "postgres";
import type { Clock } from "../../clock.ts";
import { AppError, errorTexts } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { retry } from "../../retry.ts";
import { isNeverSent, isStartingUp, isTransient, isUnmarkedPooler } from "./pgErrors.ts";
import type { SocketSource } from "./socketSource.ts";

/** A database that is waking up says so; asked this often, until the call's deadline, it costs a delay and no failure. */
const startingUpPauseMs = 200;
/** … and no longer than this: a compute wakes within seconds, a quota that is used up stays. */
const startingUpMsMax = 30_000;

/** How one call uses the pool: when it has a connection to itself, until its deadline, again where nothing was sent. */
export function createAttempt(deps: { sql: Sql; sockets: SocketSource; callsMax: number; log: Log; clock: Clock }) {
  const { sql, sockets, log, clock } = deps;
  // A call waits here for a connection of its own. postgres.js would send its statement behind another, and a PgBouncer
  // older than 1.21 gives the server connection back after the one in front: the answer to the other then never comes.
  const turns = bulkhead(deps.callsMax, Infinity);

  return async function attempt<T>(work: (sql: Sql) => PromiseLike<T>, deadlineMs: number): Promise<T> {
    const deadline = Promise.withResolvers<never>();
    const sinceMs = clock.nowMs();
    let refusal: unknown;
    let isLate = false;

    function findWaitMs(cause: unknown): number | undefined {
      if (isNeverSent(cause)) return clock.nowMs() < sinceMs + deadlineMs ? 0 : undefined;
      if (!isStartingUp(cause)) return undefined;
      refusal = cause;
      const untilMs = sinceMs + Math.min(deadlineMs, startingUpMsMax);
      return clock.nowMs() + startingUpPauseMs < untilMs ? startingUpPauseMs : undefined;
    }

    const cancelDeadline = clock.setTimer(deadlineMs, () => {
      isLate = true;
      sockets.destroySuspects({ silentMs: deadlineMs / 2, sinceMs });
      deadline.reject(unavailable(errorTexts.databaseTimeout, refusal));
    });
    try {
      const turn = turns.execute(() => (isLate ? deadline.promise : retry(() => work(sql), { clock, findWaitMs })));
      return await Promise.race([turn, deadline.promise]);
    } catch (cause) {
      if (isUnmarkedPooler(cause)) log.error({ err: cause }, "[Database] A pooler: add pgbouncer=true to DATABASE_URL");
      throw isTransient(cause) ? unavailable(errorTexts.databaseAway, cause) : cause;
    } finally {
      cancelDeadline();
    }
  };
}

export function unavailable(message: string, cause?: unknown): AppError {
  return new AppError("unavailable", message, { cause, retryAfterSeconds: 5 });
}
