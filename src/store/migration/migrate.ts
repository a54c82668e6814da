import { createHash } from "node:crypto";
import type { ISql } from "postgres";
import { AppError } from "../../errors.ts";
import { silentLog, type Log } from "../../log.ts";
import { openDatabase } from "../connection/database.ts";
import type { Dsn } from "../connection/dsn.ts";
import { findMigrationObstacles } from "./migrationPreflight.ts";
import { migrationJournal, migrationTexts } from "./migrationFiles.ts";
import { isPostgresError } from "../connection/pgErrors.ts";
import { hasFunctions, installFunctions } from "./sqlFunctions.ts";

/** Chosen at random; any other use of this advisory lock would only wait. */
const migrateLock = 4_821_094_417_730;
/** Building an index over millions of rows takes minutes. */
const migrateDeadlineMs = 30 * 60_000;
/**
 * As drizzle-kit has it, but in a table of our own: the team that made the older tables may use drizzle too, and both
 * would skip what is older than the other's newest migration.
 */
const ledgerTable = "drizzle.clerk_neon_sync_migrations";
/** Whoever waits for a table holds up everybody who comes after; better to try again in a quiet moment. */
const lockTimeout = "10s";

/**
 * Brings a database to this program's schema and functions, in one transaction; a second call changes nothing, of
 * several at once each waits for the one before. Works through a pooler too.
 * @throws AppError `precondition_failed` if the configuration names no database, if data from before breaks a rule,
 * naming table, column and rows, or if Postgres refuses, in its words; `unavailable` if it cannot be reached or a table is in use. Nothing is changed then.
 */
export async function migrateDatabase(
  { migrationDsn }: { readonly migrationDsn: Dsn | undefined },
  { log = silentLog }: { log?: Log } = {},
): Promise<void> {
  const database = openDatabase({ dsn: migrationDsn, databasePoolMax: 1 }, { log });
  try {
    const installed = await database.run(
      (sql) => sql.begin("isolation level read committed", (tx) => migrateIn(tx).catch(refuse)),
      { deadlineMs: migrateDeadlineMs },
    );
    log.info({ functions: installed }, "[Migrate] Schema and functions are up to date");
  } finally {
    await database.close();
  }
}

async function migrateIn(tx: ISql): Promise<string | null> {
  // Whatever role and database have for defaults.
  await tx`select set_config('search_path', 'public', true), set_config('statement_timeout', '0', true),
                  set_config('lock_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`;
  await tx`select pg_advisory_xact_lock(${migrateLock})`;
  await tx`select set_config('lock_timeout', ${lockTimeout}, true)`;
  const obstacles = await findMigrationObstacles(tx);
  if (obstacles.length > 0) throw refusal(obstacles.map((obstacle) => `\n- ${obstacle}`).join(""));
  for (const entry of await findPendingEntries(tx)) {
    const text = migrationTexts[entry.tag] ?? "";
    for (const statement of text.split("--> statement-breakpoint")) await tx.unsafe(statement);
    await ensureLedger(tx);
    await tx`insert into ${tx(ledgerTable)} (hash, created_at)
             values (${createHash("sha256").update(text).digest("hex")}, ${entry.when})`;
  }
  return installFunctions(tx);
}

async function ensureLedger(tx: ISql): Promise<void> {
  // Asked first: `if not exists` demands the right to create all the same.
  const [found] = await tx`select to_regclass(${ledgerTable}) is not null as ledger,
                                  to_regnamespace('drizzle') is not null as schema`;
  if (!found?.["schema"]) await tx`create schema drizzle`;
  if (!found?.["ledger"]) {
    await tx`create table ${tx(ledgerTable)} (id serial primary key, hash text not null, created_at bigint not null)`;
  }
}

async function findPendingEntries(sql: ISql): Promise<typeof migrationJournal.entries> {
  const [ledger] = await sql<{ name: string | null }[]>`select to_regclass(${ledgerTable})::text as name`;
  const rows = ledger?.name
    ? await sql<{ createdAt: string }[]>`select created_at::text as "createdAt" from ${sql(ledgerTable)}`
    : [];
  const applied = new Set(rows.map((row) => Number(row.createdAt)));
  return migrationJournal.entries.filter((entry) => !applied.has(entry.when));
}

/**
 * What this version needs and the database lacks, by name, for `/readyz` and `doctor`; nothing: it is ready. The
 * functions are installed after all migrations, in the same transaction, so that their presence answers for both.
 */
export async function findPendingMigrations(sql: ISql): Promise<string[]> {
  if (await hasFunctions(sql)) return [];
  const [ledger] = await sql<{ isReadable: boolean }[]>`
    select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as "isReadable"
    from pg_namespace n join pg_class c on c.relnamespace = n.oid
    where n.nspname = 'drizzle' and c.relname = 'clerk_neon_sync_migrations'`;
  const pending = ledger?.isReadable === false ? [] : await findPendingEntries(sql);
  return [...pending.map((entry) => entry.tag), "functions"];
}

export interface SchemaState {
  /** See `findPendingMigrations`. */
  readonly pending: readonly string[];
  /** May be more than the migration made; none if the enum is missing. */
  readonly turmaLabels: readonly string[];
}

/** What `/readyz` and `doctor` ask. */
export async function findSchemaState(sql: ISql): Promise<SchemaState> {
  const pending = await findPendingMigrations(sql);
  const labels = await sql<{ label: string }[]>`
    select e.enumlabel as label from pg_enum e
    where e.enumtypid = to_regtype('public.turma') order by e.enumsortorder`;
  return { pending, turmaLabels: labels.map((row) => row.label) };
}

/** Whether the sync has a class for new mentorados; the SQL function find_default_turma chooses by the same rule. */
export function hasDefaultTurma(labels: readonly string[], configured: string | undefined): boolean {
  if (configured !== undefined) return labels.includes(configured);
  return labels.includes("neon_estrutura") || labels.length === 1;
}

/** What Postgres refuses is for the operator to settle, who needs its words. */
function refuse(error: unknown): never {
  if (!isPostgresError(error)) throw error;
  if (error.code === "55P03") {
    const message = "A table to be changed is in use by another transaction; nothing was changed. Try again later.";
    throw new AppError("unavailable", message, { cause: error });
  }
  // Connection trouble is told from a refusal by the caller.
  if (/^(?:08|57|53|58|40)/.test(error.code)) throw error;
  throw refusal(` Postgres says: ${error.message} (${error.code}).${error.detail ? ` ${error.detail}` : ""}`, error);
}

function refusal(why: string, cause?: unknown): AppError {
  return new AppError("precondition_failed", `The migration cannot be applied; nothing was changed.${why}`, { cause });
}
