import type { Sql } from "postgres";

/** Number of rows of every table in `public`. */
export async function countRows(sql: Sql): Promise<Map<string, number>> {
  const tables = await sql<{ name: string }[]>`
    select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`;
  const counts = new Map<string, number>();
  for (const { name } of tables) {
    const [row] = await sql<{ rows: number }[]>`select count(*)::int as rows from ${sql(`public.${name}`)}`;
    counts.set(name, row?.rows ?? 0);
  }
  return counts;
}

/** See `measureTables`. */
export interface TableSize {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
}

/** Sizes include indexes and long values, after a vacuum. */
export async function measureTables(sql: Sql): Promise<TableSize[]> {
  await sql.unsafe("vacuum (analyze)");
  const rowsOf = await countRows(sql);
  return Promise.all(
    [...rowsOf].map(async ([table, rows]) => {
      const [size] = await sql<{ bytes: number }[]>`
        select pg_total_relation_size(${`public.${table}`}::regclass)::float8 as bytes`;
      return { table, rows, bytes: size?.bytes ?? 0 };
    }),
  );
}

/** Tables that need more bytes per row at the end than in the middle of the year, with some tolerance. */
export function findGrowth(before: readonly TableSize[], after: readonly TableSize[]): string[] {
  return after.flatMap(({ table, rows, bytes }) => {
    const half = before.find((size) => size.table === table);
    const bytesMax = (half?.bytes ?? 0) * Math.max(1, rows / Math.max(1, half?.rows ?? 0)) * 1.3 + 256 * 1024;
    return bytes <= bytesMax
      ? []
      : [`${table} grew to ${bytes} bytes with ${rows} rows; the limit is ${Math.round(bytesMax)}`];
  });
}
