import type { ISql } from "postgres";
import { functionsSchema } from "./sqlFunctions.ts";

/** Rights that the server's role needs on each table. */
export const tableRights: Readonly<Record<string, readonly string[]>> = {
  users: ["select", "insert", "update"],
  mentorados: ["select", "insert", "update"],
  webhook_events: ["select", "insert", "update", "delete"],
  event_counters: ["select", "insert", "update", "delete"],
  event_counters_recent: ["select", "insert", "update", "delete"],
  mentorado_links: ["select", "insert"],
  sync_runs: ["select", "insert", "update", "delete"],
  sync_run_pages: ["select", "insert", "update", "delete"],
};

/** A right that the role lacks, in two wordings. */
export interface MissingGrant {
  /** Names only, for logs and any client. */
  readonly names: string;
  /** For the operator: what is missing, and the statement that grants it. */
  readonly sentence: string;
}

/** The rights that this connection's role lacks. */
export async function findMissingGrants(sql: ISql): Promise<MissingGrant[]> {
  const rights = Object.entries(tableRights).flatMap(([table, list]) => list.map((right) => ({ table, right })));
  const rows = await sql<{ role: string; rights: string; kind: string; object: string }[]>`
    with tables as (
      select c.oid, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and c.relname in ${sql(Object.keys(tableRights))}
    ), lacking as (
      select 1 as place, 'USAGE' as rights, 'schema' as kind, nspname::text as object from pg_namespace
      where nspname in ('public', ${functionsSchema}) and not has_schema_privilege(oid, 'usage')
      union all
      select 2, string_agg(upper(r.right), ', ' order by r.right), 'table', 'public.' || t.relname
      from tables t join jsonb_to_recordset(${JSON.stringify(rights)}::text::jsonb) as r("table" text, "right" text)
        on r.table = t.relname
      where not has_table_privilege(t.oid, r.right)
      group by t.relname
      union all
      -- nextval in the default of an id runs with the rights of the caller.
      select 3, 'USAGE', 'sequence', n.nspname || '.' || s.relname
      from tables t join pg_depend d on d.refobjid = t.oid and d.deptype = 'a' and d.classid = 'pg_class'::regclass
        join pg_class s on s.oid = d.objid join pg_namespace n on n.oid = s.relnamespace
      -- In a case, because has_sequence_privilege fails for any other relation.
      where case when s.relkind = 'S' then not has_sequence_privilege(s.oid, 'usage, update') end
    )
    select current_user as role, rights, kind, object from lacking order by place, object`;
  return rows.map(({ role, rights, kind, object }) => ({
    names: `A right on ${kind} ${object} is missing (42501)`,
    sentence: `Role ${role} lacks ${rights} on ${kind} ${object}: GRANT ${rights} ON ${kind.toUpperCase()} ${object} TO ${role}.`,
  }));
}
