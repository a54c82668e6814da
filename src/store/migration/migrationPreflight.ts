import type { ISql } from "postgres";

/** Rows named in a refusal; more would not help a person. */
const rowsShownMax = 20;

/**
 * What in a database from before would break a rule the migration adds. Reads only.
 * @returns one sentence for people per problem, naming table, column and rows
 */
export async function findMigrationObstacles(sql: ISql): Promise<string[]> {
  const columns = await sql<{ name: string }[]>`
    select table_name || '.' || column_name as name from information_schema.columns
    where table_schema = 'public' and table_name in ('users', 'mentorados')`;
  const has = (name: string) => columns.some((column) => column.name === name);
  const hasTable = (table: string) => columns.some((column) => column.name.startsWith(`${table}.`));

  const obstacles = ["users.id", "users.clerk_id", "mentorados.id", "mentorados.nome_completo", "mentorados.turma"]
    .filter((name) => hasTable(name.split(".")[0] ?? "") && !has(name))
    .map((name) => `Column ${name} is missing from the existing table, and no value for it can be made up.`);
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
  return [...obstacles, ...(await findUnfillableColumns(sql)), ...(await findForeignTypes(sql))];
}

/** What is written for every user and for every mentorado the sync creates, and what a deletion or release empties. */
const writtenColumns: Readonly<Record<string, { always: readonly string[]; emptied: readonly string[] }>> = {
  users: {
    always: [
      "clerk_id",
      "role",
      "email_verified",
      "last_signed_in",
      "created_at",
      "updated_at",
      "synced_at",
      "sync_source",
    ],
    emptied: [
      "name",
      "email",
      "image_url",
      "login_method",
      "raw_json",
      "clerk_created_at",
      "clerk_updated_at",
      "deleted_at",
    ],
  },
  mentorados: {
    always: ["nome_completo", "email", "turma", "created_at", "updated_at"],
    emptied: ["user_id", "foto_url"],
  },
};

/** Columns that demand a value which the sync does not have: every user, or every deletion, would fail on them. */
async function findUnfillableColumns(sql: ISql): Promise<string[]> {
  const columns = await sql<{ table: string; column: string; hasDefault: boolean }[]>`
    select c.table_name as "table", c.column_name as "column",
           c.column_default is not null or c.is_identity = 'YES' or c.is_generated = 'ALWAYS' as "hasDefault"
    from information_schema.columns c
    where c.table_schema = 'public' and c.table_name in ('users', 'mentorados') and c.is_nullable = 'NO'
    order by c.table_name desc, c.ordinal_position`;
  return columns.flatMap(({ table, column, hasDefault }) => {
    const written = writtenColumns[table];
    if (written?.emptied.includes(column)) {
      return `Column ${table}.${column} is not null, but a user may have none and a deletion empties it. Drop the not-null constraint.`;
    }
    if (hasDefault || written?.always.includes(column)) return [];
    return `Column ${table}.${column} is not null and has no default, so the sync could write no row. Give it a default.`;
  });
}

const times = ["timestamptz", "timestamp"];
const integers = ["int4", "int8"];
/** Types, by Postgres' own names, that the sync can write and compare; of other columns any text will do. */
const usableTypes: Readonly<Record<string, readonly string[]>> = {
  "users.id": integers,
  "users.role": ["role"],
  "users.email_verified": ["bool"],
  "users.raw_json": ["jsonb"],
  "mentorados.id": integers,
  "mentorados.user_id": integers,
  "mentorados.turma": ["turma", "text", "varchar"],
};
const timeColumns =
  /^(?:users\.(?:clerk_created_at|clerk_updated_at|deleted_at|synced_at|link_held_at|last_signed_in)|\w+\.(?:created_at|updated_at))$/;

/** Columns of a type that the migration must not change and the sync cannot write: no user could be stored. */
async function findForeignTypes(sql: ISql): Promise<string[]> {
  const columns = await sql<{ name: string; type: string }[]>`
    select table_name || '.' || column_name as name, udt_name as type from information_schema.columns
    where table_schema = 'public' and table_name in ('users', 'mentorados')
    order by table_name desc, ordinal_position`;
  const foreign = columns.flatMap(({ name, type }) => {
    const usable = usableTypes[name] ?? (timeColumns.test(name) ? times : undefined);
    if (usable === undefined || usable.includes(type)) return [];
    return `Column ${name} is of type ${type}, which the sync cannot write: it needs ${usable.join(" or ")}.`;
  });
  const labels = await sql<{ label: string }[]>`
    select enumlabel as label from pg_enum where enumtypid = to_regtype('public.role')`;
  const missing =
    labels.length === 0 ? [] : ["user", "admin"].filter((one) => !labels.some(({ label }) => label === one));
  return [...foreign, ...missing.map((label) => `Type role, of users.role, has no label ${label}. Add it.`)];
}

interface Duplicate {
  readonly value: string;
  readonly rows: number;
  /** Separated by commas. */
  readonly ids: string;
}

function toDuplicateText(table: string, column: string, { value, rows, ids }: Duplicate): string {
  const shown = ids.split(", ").slice(0, rowsShownMax).join(", ");
  const dots = rows > rowsShownMax ? ", …" : "";
  return `${table}.${column} = ${value} stands in ${rows} rows (id ${shown}${dots}); it must be unique. Keep one, clear the others.`;
}
