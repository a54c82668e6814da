import type { ISql } from "postgres";
import { tableRights } from "./missingGrants.ts";

/** Unlogged tables of the sync; one sentence for the operator each. */
export async function findUnloggedTables(sql: ISql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relname in ${sql(Object.keys(tableRights))} and c.relkind = 'r'
      and c.relpersistence = 'u'
    order by 1`;
  return rows.map(
    ({ name }) => `Table ${name} is unlogged: a crash of Postgres empties it. ALTER TABLE public.${name} SET LOGGED.`,
  );
}
