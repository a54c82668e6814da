import { createHash } from "node:crypto";
import type { ISql } from "postgres";
import { migrationJournal, migrationTexts } from "./migrationFiles.ts";
import { planFunctions } from "./sqlFunctions.ts";

/**
 * Same columns as drizzle's table of migrations, but a table of our own: if a team's program shared it, each program
 * would skip migrations older than the other's newest.
 */
const migrationsTable = "drizzle.clerk_neon_sync_migrations";
/** The migrations' SQL has unqualified names. */
const searchPath = "set local search_path = public";

/** Statements of a migration. */
export interface MigrationPlan {
  /** Statements that change tables, to be run in order, in one transaction, with search_path `public`. */
  readonly tables: readonly string[];
  /** Statements that install this version's functions, to be run afterwards. */
  readonly functions: readonly string[];
}

/** Plans the pending migrations and the functions. Read-only. */
export async function planMigration(
  sql: ISql,
  pending: readonly { readonly tag: string; readonly when: number }[],
): Promise<MigrationPlan> {
  const table = pending.length === 0 ? [] : await planMigrationsTable(sql);
  const ids = pending.length === 0 ? { before: [], after: [] } : await planUserIds(sql);
  const entries = pending.flatMap(({ tag, when }) => {
    const text = migrationTexts[tag] ?? "";
    const hash = createHash("sha256").update(text).digest("hex");
    const done = `insert into ${migrationsTable} (hash, created_at) values ('${hash}', ${when})`;
    return [...text.split("--> statement-breakpoint"), done];
  });
  return { tables: [...table, ...ids.before, ...entries, ...ids.after], functions: await planFunctions(sql) };
}

/** The plan as a script for psql; a comment if the plan is empty. */
export function toScript({ tables, functions }: MigrationPlan): string {
  const statements = [...tables, ...functions].map((statement) => statement.trim().replace(/;$/, ""));
  if (statements.length === 0) return "-- There is nothing to do: schema and functions are up to date.";
  return ["begin", searchPath, ...statements, "commit"].map((statement) => `${statement};`).join("\n\n");
}

/** Migrations of this version that the database does not have. */
export async function findPendingEntries(sql: ISql): Promise<typeof migrationJournal.entries> {
  const [table] = await sql<{ name: string | null }[]>`select to_regclass(${migrationsTable})::text as name`;
  const rows = table?.name
    ? await sql<{ createdAt: string }[]>`select created_at::text as "createdAt" from ${sql(migrationsTable)}`
    : [];
  const applied = new Set(rows.map((row) => Number(row.createdAt)));
  return migrationJournal.entries.filter((entry) => !applied.has(entry.when));
}

async function planMigrationsTable(sql: ISql): Promise<string[]> {
  // `if not exists` would need the right to create even if the object exists.
  const [found] = await sql<{ table: boolean; schema: boolean }[]>`
    select to_regclass(${migrationsTable}) is not null as "table", to_regnamespace('drizzle') is not null as schema`;
  const columns = "id serial primary key, hash text not null, created_at bigint not null";
  return [
    ...(found?.schema ? [] : ["create schema drizzle"]),
    ...(found?.table ? [] : [`create table ${migrationsTable} (${columns})`]),
  ];
}

/** If an older users.id is bigint, mentorados.user_id must be bigint too; the migration alone would make it integer. */
async function planUserIds(sql: ISql): Promise<{ before: string[]; after: string[] }> {
  const columns = await sql<{ name: string; type: string }[]>`
    select table_name || '.' || column_name as name, udt_name as type from information_schema.columns
    where table_schema = 'public' and table_name in ('users', 'mentorados')`;
  const has = (start: string) => columns.some(({ name }) => name.startsWith(start));
  const isWide = columns.some(({ name, type }) => name === "users.id" && type === "int8");
  if (!isWide || columns.some(({ name }) => name === "mentorados.user_id")) return { before: [], after: [] };
  return has("mentorados.")
    ? { before: ["alter table mentorados add column user_id bigint"], after: [] }
    : { before: [], after: ["alter table mentorados alter column user_id set data type bigint"] };
}
