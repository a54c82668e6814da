import type { ISql } from "postgres";

/** Catalogue data about `users` and `mentorados`, to name what Postgres' errors leave out. */
export interface Catalogue {
  readonly role: string;
  readonly searchPath: string;
  readonly triggers: readonly { name: string; table: string; fn: string; isOurs: boolean }[];
  /** Tables whose row security applies to this role. */
  readonly policies: readonly { table: string; names: string }[];
  /** Rules on update and insert; Postgres' error does not name the table of a DO ALSO rule. */
  readonly rules: readonly { table: string; names: string }[];
  readonly columns: readonly {
    name: string;
    column: string;
    type: string;
    domain: string | null;
    isGenerated: boolean;
  }[];
  /** Integer columns whose sequence exceeds integer. */
  readonly outgrown: readonly string[];
}

/** Reads the catalogue as this connection's role sees it. */
export async function readCatalogue(sql: ISql): Promise<Catalogue> {
  const [row] = await sql<{ catalogue: Catalogue }[]>`
    with ours as (
      select c.oid, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'public' and c.relname in ('users', 'mentorados')
    ), outgrown as (
      select c.relname || '.' || a.attname as name
      from ours c join pg_attribute a on a.attrelid = c.oid and a.atttypid = 'int4'::regtype
        join ours source on source.relname = case a.attname when 'user_id' then 'users' else c.relname end
        join pg_depend d on d.refobjid = source.oid and d.deptype in ('a', 'i') and d.classid = 'pg_class'::regclass
        join pg_sequence s on s.seqrelid = d.objid
      where a.attname = 'id' or c.relname = 'mentorados' and a.attname = 'user_id'
      group by 1 having max(pg_sequence_last_value(s.seqrelid::regclass)) > 2147483647
    )
    select jsonb_build_object(
      'role', current_user, 'searchPath', current_setting('search_path'),
      'triggers', (select coalesce(jsonb_agg(jsonb_build_object(
          'name', t.tgname, 'table', c.relname, 'fn', p.proname, 'isOurs', c.oid in (select oid from ours))
          order by c.oid in (select oid from ours), t.tgname), '[]')
        from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
        where not t.tgisinternal),
      'policies', (select coalesce(jsonb_agg(jsonb_build_object('table', c.relname, 'names',
          coalesce((select string_agg(polname, ', ') from pg_policy where polrelid = c.oid), 'none'))), '[]')
        from ours c where row_security_active(c.oid)),
      'rules', (select coalesce(jsonb_agg(jsonb_build_object('table', c.relname, 'names', r.rulename)), '[]')
        from ours c join pg_rewrite r on r.ev_class = c.oid and r.ev_type in ('2', '3')),
      'columns', (select coalesce(jsonb_agg(jsonb_build_object(
          'name', c.relname || '.' || a.attname, 'column', a.attname,
          'type', format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), greatest(a.atttypmod, t.typtypmod)),
          'domain', case when t.typtype = 'd' then t.typname end,
          'isGenerated', a.attgenerated <> '' or a.attidentity = 'a')), '[]')
        from ours c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          join pg_type t on t.oid = a.atttypid),
      'outgrown', (select coalesce(jsonb_agg(name), '[]') from outgrown)) as catalogue`;
  if (row === undefined) throw new Error("The catalogue query returned no row");
  return row.catalogue;
}
