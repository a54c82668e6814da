import type { Database } from "../connection/database.ts";
import { toWire } from "../wire.ts";

/** Reading years of counters takes 0.2 s, the wait for the writer's lock up to 3 s. */
const rollUpDeadlineMs = 8_000;

/**
 * Folds old event figures into coarser rows, oldest first; see roll_up_counters.sql.
 * @param limit maximum number of rows
 * @returns number of rows folded
 */
export async function rollUpCounters(database: Database, { limit }: { limit: number }): Promise<number> {
  const json = toWire({ rowLimit: limit });
  return (await database.callFunction("roll_up_counters", json, { deadlineMs: rollUpDeadlineMs })) as number;
}
