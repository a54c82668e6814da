import type { Database } from "../connection/database.ts";
import { toWire } from "../wire.ts";

/** Reading a history of years takes some 0.2 s; waiting for the writer's lock 3 s at most. */
const rollUpDeadlineMs = 8_000;

/**
 * Folds old event figures into coarser rows, the oldest first; see roll_up_counters.sql.
 * @param limit of rows, for one batch
 * @returns how many rows it folded
 */
export async function rollUpCounters(database: Database, { limit }: { limit: number }): Promise<number> {
  const json = toWire({ rowLimit: limit });
  return (await database.callFunction("roll_up_counters", json, { deadlineMs: rollUpDeadlineMs })) as number;
}
