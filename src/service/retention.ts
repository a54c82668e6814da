import { sleep, systemClock, type Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { deleteEvents, erasePayloads, type OldEvents } from "../store/events/oldEvents.ts";

/** Some milliseconds of the database's time, so that no delivery waits for a batch. */
const batchEvents = 500;
/** Between batches, so that other work on the database gets its turn. */
const pauseMs = 20;

export interface RetentionService {
  /**
   * Erases the payloads and deletes the rows whose time is over, in small batches.
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

  async function inBatches(
    work: (database: Database, events: OldEvents) => Promise<number>,
    olderThanMs: number,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    let total = 0;
    for (;;) {
      if (signal?.aborted) return total;
      const batch = await work(database, { olderThanMs, limit: batchEvents });
      total += batch;
      if (batch < batchEvents) return total;
      await sleep(clock, pauseMs);
    }
  }

  return {
    sweep: async (signal) => {
      const erased = await inBatches(erasePayloads, keepMs, signal);
      if (erased > 0) log.info({ erased }, "[Retention] Erased payloads of old events");
      const deleted = ledgerKeepMs === undefined ? 0 : await inBatches(deleteEvents, ledgerKeepMs, signal);
      if (deleted > 0) log.info({ deleted }, "[Retention] Deleted rows of old events");
      return erased;
    },
  };
}
