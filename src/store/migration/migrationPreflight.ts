import type { ISql } from "postgres";
import { findUnusableColumns } from "./columnPreflight.ts";
import { findTakenNames } from "./namesTaken.ts";
import { findUnloggedTables } from "./unloggedTables.ts";

/** Maximum number of rows named in a refusal. */
const rowsShownMax = 20;
const integerMax = 2_147_483_647;

/**
 * Finds existing data and objects that break a rule of the migration or would be mistaken for this program's. Read-only.
 * The rehearsal finds what the database itself refuses.
 * @param tags of the pending migrations
 * @returns one sentence for the operator per problem, naming table, column and rows
 */
export async function findMigrationObstacles(sql: ISql, tags: readonly string[]): Promise<string[]> {
  const [database] = await sql<{ encoding: string }[]>`select getdatabaseencoding() as encoding`;
  if (database !== undefined && database.encoding !== "UTF8") {
    const why = `The encoding of the database is ${database.encoding}, but names may hold any character.`;
    return [`${why} Create a database with encoding UTF8 and restore the tables there.`];
  }
  const taken = await findTakenNames(sql, tags);
  // The checks below need real tables.
  if (taken.length > 0) return taken;
  const columns = await sql<{ name: string }[]>`
    select table_name || '.' || column_name as name from information_schema.columns
    where table_schema = 'public' and table_name in ('users', 'mentorados')`;
  const has = (name: string) => columns.some((column) => column.name === name);
  const hasTable = (table: string) => columns.some((column) => column.name.startsWith(`${table}.`));

  const obstacles = ["users.id", "users.clerk_id", "mentorados.id", "mentorados.nome_completo", "mentorados.turma"]
    .filter((name) => hasTable(name.split(".")[0] ?? "") && !has(name))
    .map((name) => `Column ${name} is missing from the existing table and has no possible default. Add it.`);
  // Rows hidden by row security cannot be checked; the rehearsal reports the row security.
  const [security] = await sql<{ hides: boolean }[]>`
    select coalesce(bool_or(row_security_active(c.oid)), false) as hides
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relname in ('users', 'mentorados')`;
  const unusable = await findUnusableColumns(sql);
  // Rows cannot be compared by ids of an unusable type.
  if (!security?.hides && unusable.length === 0) obstacles.push(...(await findBrokenRows(sql, has)));
  return [
    ...obstacles,
    ...(await findUnloggedTables(sql)),
    ...unusable,
    ...(has("users.id") ? await findMissingKey(sql) : []),
    ...(await findNarrowUserIds(sql)),
  ];
}

/** Rows that violate a unique index or foreign key of the migration. */
async function findBrokenRows(sql: ISql, has: (column: string) => boolean): Promise<string[]> {
  const obstacles: string[] = [];
  if (has("users.clerk_id") && has("users.id")) {
    const rows = await sql<Duplicate[]>`
      select clerk_id as value, count(*)::int as rows, string_agg(id::text, ', ' order by id) as ids from users
      where clerk_id is not null group by clerk_id having count(*) > 1 order by clerk_id limit ${rowsShownMax}`;
    obstacles.push(...rows.map((row) => toDuplicateText("users", "clerk_id", row)));
  }
  if (has("mentorados.user_id") && has("mentorados.id")) {
    const rows = await sql<Duplicate[]>`
      select user_id::text as value, count(*)::int as rows, string_agg(id::text, ', ' order by id) as ids
      from mentorados
      where user_id is not null group by user_id having count(*) > 1 order by user_id limit ${rowsShownMax}`;
    obstacles.push(...rows.map((row) => toDuplicateText("mentorados", "user_id", row)));
  }
  if (has("mentorados.user_id") && has("mentorados.id") && has("users.id")) {
    const rows = await sql<{ id: number; userId: number }[]>`
      select m.id, m.user_id as "userId" from mentorados m
      where m.user_id is not null and not exists (select from users u where u.id = m.user_id)
      order by m.id limit ${rowsShownMax}`;
    obstacles.push(
      ...rows.map(
        (row) => `mentorados.user_id of row id=${row.id} is ${row.userId}, but users has no row with that id.`,
      ),
    );
  }
  return obstacles;
}

/** mentorados.user_id references users.id; an inherited table or a plain copy lacks that key. */
async function findMissingKey(sql: ISql): Promise<string[]> {
  const keys = await sql`
    select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = 'public.users'::regclass and i.indisunique and i.indimmediate and i.indnkeyatts = 1
      and i.indpred is null and a.attname = 'id'`;
  if (keys.length > 0) return [];
  return [
    "Column users.id has no primary key, and mentorados.user_id refers to it. ALTER TABLE users ADD PRIMARY KEY (id).",
  ];
}

/** mentorados.user_id is integer, but users.id is bigint and already beyond integer. */
async function findNarrowUserIds(sql: ISql): Promise<string[]> {
  const types = await sql<{ name: string; type: string }[]>`
    select table_name || '.' || column_name as name, udt_name as type from information_schema.columns
    where table_schema = 'public' and (table_name, column_name) in (('users', 'id'), ('mentorados', 'user_id'))`;
  const typeOf = (name: string) => types.find((column) => column.name === name)?.type;
  if (typeOf("users.id") !== "int8" || typeOf("mentorados.user_id") !== "int4") return [];
  const [row] = await sql<{ largest: string | null }[]>`
    select greatest((select max(id) from users), pg_sequence_last_value(pg_get_serial_sequence('users', 'id')::regclass))::text
      as largest`;
  if (Number(row?.largest ?? 0) <= integerMax) return [];
  return [
    `Column mentorados.user_id is integer, but users.id is bigint and has reached ${row?.largest}. Make mentorados.user_id bigint.`,
  ];
}

interface Duplicate {
  readonly value: string;
  readonly rows: number;
  /** Comma-separated. */
  readonly ids: string;
}

function toDuplicateText(table: string, column: string, { value, rows, ids }: Duplicate): string {
  const shown = ids.split(", ").slice(0, rowsShownMax).join(", ");
  const dots = rows > rowsShownMax ? ", …" : "";
  return `${table}.${column} = ${value} occurs in ${rows} rows (id ${shown}${dots}); it must be unique. Keep one, clear the others.`;
}
