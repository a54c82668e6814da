import { sleep, systemClock, type Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { erasePayloads } from "../store/events/eventPayloads.ts";

/** Some milliseconds of the database's time, so that no delivery waits for a batch. */
const batchEvents = 500;
/** A breath between batches, for whoever waits for the database. */
const pauseMs = 20;

export interface RetentionService {
  /** Erases the payloads whose time is over, in small batches. @returns how many @throws AppError `unavailable` */
  readonly sweep: (signal?: AbortSignal) => Promise<number>;
}

/** @param deps.keepMs how long the payload of a settled event is kept */
export function createRetention(deps: {
  database: Database;
  keepMs: number;
  log: Log;
  clock?: Clock | undefined;
}): RetentionService {
  const { clock = systemClock } = deps;
  return {
    sweep: async (signal) => {
      let erased = 0;
      for (;;) {
        if (signal?.aborted) return erased;
        const batch = await erasePayloads(deps.database, { olderThanMs: deps.keepMs, limit: batchEvents });
        erased += batch;
        if (batch < batchEvents) break;
        await sleep(clock, pauseMs);
      }
      if (erased > 0) deps.log.info({ erased }, "[Retention] Erased payloads of old events");
      return erased;
    },
  };
}
