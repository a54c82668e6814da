import type { Sql } from "postgres";

/** The lock that every writer takes, as in the SQL functions. */
export const writerLock = 7_164_381_920_153;

/** How long the longest waiting session has waited for it; 0 if none does. */
export async function findLongestWaitSeconds(sql: Sql): Promise<number> {
  const [row] = await sql<{ seconds: number }[]>`
    select coalesce(max(extract(epoch from clock_timestamp() - waitstart)), 0)::float8 as seconds
    from pg_locks where locktype = 'advisory' and not granted`;
  return row?.seconds ?? Number.NaN;
}
