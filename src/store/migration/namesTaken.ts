import type { ISql } from "postgres";
import { migrationTexts } from "./migrationFiles.ts";

/** Labels that the sync writes or uses as defaults; `turma` may have any. */
const enums: Readonly<Record<string, readonly string[]>> = {
  role: ["user", "admin"],
  turma: [],
  ativo: ["sim", "nao"],
};
/** Tables that a team may already have, with columns of its own. */
const sharedTables = new Set(["users", "mentorados"]);
const kinds: Readonly<Record<string, string>> = {
  r: "a table",
  p: "a partitioned table",
  v: "a view",
  m: "a materialized view",
  f: "a foreign table",
  i: "an index",
  I: "an index",
  S: "a sequence",
  c: "a composite type",
};

/**
 * Finds objects in `public` with a name of the pending migrations that are not this program's: `create … if not exists`
 * would silently use them. An object with the same definition counts as this program's: that happens after a restore
 * without the table of migrations.
 * @param tags of the pending migrations
 * @returns one sentence for the operator per name
 */
export async function findTakenNames(sql: ISql, tags: readonly string[]): Promise<string[]> {
  const text = tags.map((tag) => migrationTexts[tag] ?? "").join("\n");
  return [
    ...(await findOtherKinds(sql)),
    ...(await findTakenTypes(sql)),
    ...(await findTakenTables(sql, text)),
    ...(await findTakenIndexes(sql, text)),
    ...(text.includes("function clerk_email_key") ? await findTakenFunctions(sql) : []),
  ];
}

/** `users` and `mentorados` must be plain tables. */
async function findOtherKinds(sql: ISql): Promise<string[]> {
  const rows = await listRelations(sql, [...sharedTables]);
  return rows
    .filter(({ kind }) => kind !== "r")
    .map(({ name, kind }) => `public.${name} is ${kinds[kind] ?? "not a table"}, but the sync needs a plain table.`);
}

async function findTakenTypes(sql: ISql): Promise<string[]> {
  const types = await sql<{ name: string; kind: string; labels: string[] | null }[]>`
    select t.typname as name, t.typtype as kind,
           (select jsonb_agg(enumlabel) from pg_enum e where e.enumtypid = t.oid) as labels
    from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where n.nspname = 'public' and t.typname in ${sql(Object.keys(enums))} order by t.typname`;
  return types.flatMap(({ name, kind, labels }) => {
    if (kind !== "e") {
      return `The name ${name} is taken by ${kind === "c" ? "a table" : "a type"}, but the sync needs an enum of that name. Rename it.`;
    }
    const missing = (enums[name] ?? []).filter((label) => !labels?.includes(label));
    if (labels === null) return `Type ${name} has no label. Add one.`;
    return missing.map((label) => `Type ${name} has no label ${label}. Add it.`);
  });
}

async function findTakenTables(sql: ISql, text: string): Promise<string[]> {
  const tables = [...text.matchAll(/create table if not exists "(\w+)" \(\n([\s\S]*?)\n\);/g)]
    .map(([, name = "", body = ""]) => ({
      name,
      columns: [...body.matchAll(/^\t"(\w+)" ([a-z ]+(?:\(\d+\)|\[\])?)/gm)].map(([, column = "", type = ""]) => ({
        column,
        type: toFamily(type),
      })),
    }))
    .filter(({ name }) => !sharedTables.has(name));
  if (tables.length === 0) return [];
  const relations = await listRelations(
    sql,
    tables.map(({ name }) => name),
  );
  return tables.flatMap(({ name, columns }) => {
    const found = relations.find((one) => one.name === name);
    if (found === undefined) return [];
    const why = `The name ${name} is taken by ${kinds[found.kind] ?? "a type"} that is not this program's`;
    if (found.kind !== "r") return `${why}. Rename it.`;
    const missing = columns.filter(({ column }) => found.columns[column] === undefined).map(({ column }) => column);
    if (missing.length > 0) return `${why}: it has no column ${missing.join(", ")}. Rename it.`;
    const other = columns.filter(({ column, type }) => toFamily(found.columns[column] ?? "") !== type);
    const types = other.map(({ column, type }) => `column ${column} is ${found.columns[column]}, not ${type}`);
    if (types.length > 0) return `${why}: ${types.join(", ")}. Rename it.`;
    return found.hasKey ? [] : `${why}: it has no primary key. Rename it.`;
  });
}

/** The catalogue's name of a type; integers of all widths are equal, because later migrations widen some. */
function toFamily(type: string): string {
  return type
    .replace(/^varchar/, "character varying")
    .replace(/^(?:bigserial|serial|bigint)/, "integer")
    .replace(/ (?:collate|not null|default|primary key).*$/, "")
    .trim();
}

interface Relation {
  readonly name: string;
  readonly kind: string;
  /** Types by column name. */
  readonly columns: Readonly<Record<string, string>>;
  readonly hasKey: boolean;
}

/** Relations and types of these names. */
async function listRelations(sql: ISql, names: readonly string[]): Promise<Relation[]> {
  return sql<Relation[]>`
    select t.name, coalesce(c.relkind, 'type')::text as kind,
           coalesce((select jsonb_object_agg(attname, format_type(atttypid, atttypmod)) from pg_attribute
                     where attrelid = c.oid and attnum > 0 and not attisdropped), '{}') as columns,
           exists (select from pg_index where indrelid = c.oid and indisprimary) as "hasKey"
    from jsonb_array_elements_text(${JSON.stringify(names)}::text::jsonb) as t(name)
      join pg_namespace n on n.nspname = 'public'
      left join pg_class c on c.relnamespace = n.oid and c.relname = t.name
      left join pg_type y on y.typnamespace = n.oid and y.typname = t.name
    where c.oid is not null or y.oid is not null`;
}

async function findTakenIndexes(sql: ISql, text: string): Promise<string[]> {
  const indexes = [...text.matchAll(/create (?:unique )?index if not exists "(\w+)" [^;]*/g)].map(
    ([definition, name = ""]) => ({ name, definition: toPlain(definition) }),
  );
  if (indexes.length === 0) return [];
  const rows = await sql<{ name: string; kind: string; definition: string | null }[]>`
    select c.relname as name, c.relkind as kind, case c.relkind when 'i' then pg_get_indexdef(c.oid) end as definition
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relname in ${sql(indexes.map(({ name }) => name))} order by 1`;
  return rows.flatMap(({ name, kind, definition }) => {
    if (indexes.some((one) => one.name === name && one.definition === toPlain(definition ?? ""))) return [];
    return `The name ${name} is taken by ${kinds[kind] ?? "a relation"} that is not this program's${definition === null ? "" : ` (${definition})`}. Rename it.`;
  });
}

/** Normalises a definition: removes what the catalogue formats differently. */
function toPlain(definition: string): string {
  const table = / on (?:public\.)?"?(\w+)"?/i.exec(definition)?.[1] ?? "";
  return definition
    .toLowerCase()
    .replaceAll(/"|if not exists|::text/g, "")
    .replaceAll(`${table}.`, "")
    .replaceAll("public.", "")
    .replaceAll(/[\s()]/g, "");
}

async function findTakenFunctions(sql: ISql): Promise<string[]> {
  const rows = await sql<{ name: string; body: string | null }[]>`
    select p.oid::regprocedure::text as name,
           case when p.prokind = 'f' and p.proargtypes::text = 'text'::regtype::oid::text
                then pg_get_function_sqlbody(p.oid) end as body
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' and p.proname = 'clerk_email_key'`;
  return rows
    .filter(({ body }) => !body?.startsWith("RETURN NULLIF(lower((btrim(email,"))
    .map(({ name }) => `The name ${name} is taken by a function that is not this program's. Rename it.`);
}
