import type { Sql } from "postgres";

/**
 * Copies every table and the state of every sequence, as a dump or a branch of an older point has them.
 * @returns puts all of it back, whatever is there by then
 */
export async function copyTables(sql: Sql): Promise<() => Promise<void>> {
  const tables = await sql<{ name: string }[]>`select tablename as name from pg_tables where schemaname = 'public'`;
  const sequences = await sql<{ name: string; value: string | null }[]>`
    select sequencename as name, last_value::text as value from pg_sequences where schemaname = 'public'`;
  await sql`create schema older`;
  for (const { name } of tables) await sql`create table older.${sql(name)} as table ${sql(`public.${name}`)}`;
  return async () => {
    await sql.begin(async (tx) => {
      // Without triggers and foreign keys, as a dump is restored.
      await tx`set local session_replication_role = 'replica'`;
      for (const { name } of tables) await tx`delete from ${tx(`public.${name}`)}`;
      for (const { name } of tables) await tx`insert into ${tx(`public.${name}`)} table older.${tx(name)}`;
    });
    for (const { name, value } of sequences)
      await sql`select setval(${`public.${name}`}::text::regclass, coalesce(${value}::bigint, 1), ${value !== null})`;
  };
}
