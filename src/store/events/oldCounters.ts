import type { Database } from "../connection/database.ts";
import { functionsSchema } from "../migration/sqlFunctions.ts";

/**
 * Folds old event figures into coarser rows, the oldest first; see roll_up_counters.sql.
 * @param limit of rows, for one batch
 * @returns how many rows it folded
 */
export async function rollUpCounters(database: Database, { limit }: { limit: number }): Promise<number> {
  const rows = await database.run(
    (sql) => sql<{ folded: number }[]>`select ${sql(functionsSchema)}.roll_up_counters(${limit}) as folded`,
  );
  return rows[0]?.folded ?? 0;
}
