import { sleep, systemClock, type Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { rollUpCounters } from "../store/events/oldCounters.ts";
import { deleteEvents, erasePayloads } from "../store/events/oldEvents.ts";
import { deleteRuns } from "../store/runs/oldRuns.ts";

/** A batch takes a few milliseconds of database time, so that deliveries do not wait long. */
const batchRows = 500;
/** Pause between batches, for other work on the database. */
const pauseMs = 20;

/** Removes data whose retention is over. */
export interface RetentionService {
  /**
   * Erases payloads, deletes ledger rows, folds event figures and deletes runs that are past their retention, in small
   * batches. Several processes may sweep at once. Stops after the current batch if `signal` is aborted.
   * @returns how many payloads it erased
   * @throws AppError `unavailable`
   */
  readonly sweep: (signal?: AbortSignal) => Promise<number>;
}

/**
 * @param deps.keepMs how long the payload of a settled event is kept
 * @param deps.ledgerKeepMs how long the row of a settled event is kept; undefined: for ever
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
      if (erased > 0) log.info({ erased }, "[Retention] Erased payloads past their retention");
      if (ledgerKeepMs !== undefined) {
        const deleted = await inBatches(signal, (limit) =>
          deleteEvents(database, { olderThanMs: ledgerKeepMs, limit }),
        );
        if (deleted > 0) log.info({ deleted }, "[Retention] Deleted ledger rows past their retention");
      }
      const folded = await inBatches(signal, (limit) => rollUpCounters(database, { limit }));
      if (folded > 0) log.info({ folded }, "[Retention] Folded old event figures");
      const deletedRuns = await inBatches(signal, (limit) => deleteRuns(database, { limit }));
      if (deletedRuns > 0) log.info({ deletedRuns }, "[Retention] Deleted old runs");
      return erased;
    },
  };
}
