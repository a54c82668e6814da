import { sleep, systemClock, type Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { rollUpCounters } from "../store/events/oldCounters.ts";
import { deleteEvents, erasePayloads } from "../store/events/oldEvents.ts";
import { deleteRuns } from "../store/runs/oldRuns.ts";

/** Some milliseconds of the database's time, so that no delivery waits for a batch. */
const batchRows = 500;
/** Between batches, so that other work on the database gets its turn. */
const pauseMs = 20;

export interface RetentionService {
  /**
   * Erases the payloads and deletes the rows whose time is over, folds old event figures and deletes old runs, in small
   * batches. Several processes may do it at once.
   * @returns how many payloads it erased
   * @throws AppError `unavailable`
   */
  readonly sweep: (signal?: AbortSignal) => Promise<number>;
}

/**
 * @param deps.keepMs how long the payload of a settled event is kept
 * @param deps.ledgerKeepMs how long its row is kept; undefined: for ever
 */
export function createRetention(deps: {
  database: Database;
  keepMs: number;
  ledgerKeepMs?: number | undefined;
  log: Log;
  clock?: Clock | undefined;
}): RetentionService {
  const { database, keepMs, ledgerKeepMs, log, clock = systemClock } = deps;

  async function inBatches(signal: AbortSignal | undefined, work: (limit: number) => Promise<number>): Promise<number> {
    let total = 0;
    for (;;) {
      if (signal?.aborted) return total;
      const batch = await work(batchRows);
      total += batch;
      if (batch < batchRows) return total;
      await sleep(clock, pauseMs);
    }
  }

  return {
    sweep: async (signal) => {
      const erased = await inBatches(signal, (limit) => erasePayloads(database, { olderThanMs: keepMs, limit }));
      if (erased > 0) log.info({ erased }, "[Retention] Erased payloads of old events");
      if (ledgerKeepMs !== undefined) {
        const deleted = await inBatches(signal, (limit) =>
          deleteEvents(database, { olderThanMs: ledgerKeepMs, limit }),
        );
        if (deleted > 0) log.info({ deleted }, "[Retention] Deleted rows of old events");
      }
      const folded = await inBatches(signal, (limit) => rollUpCounters(database, { limit }));
      if (folded > 0) log.info({ folded }, "[Retention] Folded event figures of old hours");
      const deletedRuns = await inBatches(signal, (limit) => deleteRuns(database, { limit }));
      if (deletedRuns > 0) log.info({ deletedRuns }, "[Retention] Deleted old runs");
      return erased;
    },
  };
}
