import type { ISql, TransactionSql } from "postgres";
import { AppError } from "../../errors.ts";
import { silentLog, type Log } from "../../log.ts";
import { openDatabase } from "../connection/database.ts";
import type { Dsn } from "../connection/dsn.ts";
import { findMigrationObstacles } from "./migrationPreflight.ts";
import { findPendingEntries, planMigration, toScript, type MigrationPlan } from "./migrationPlan.ts";
import { rehearseIn } from "./rehearsal.ts";
import { isPostgresError } from "../connection/pgErrors.ts";
import { functionsSchema } from "./sqlFunctions.ts";

/** Key of the migrations' advisory lock, chosen at random. */
const migrateLock = 4_821_094_417_730;
/** Building an index over millions of rows takes minutes. */
const migrateDeadlineMs = 30 * 60_000;
/** Key of the writer's advisory lock, as in rules.sql. */
const writerLock = 7_164_381_920_153;
/** A waiting table lock blocks all later statements on that table, so the migration fails after this. */
const lockTimeout = "10s";

interface MigrationReport {
  /** Schema of the functions; null if they were already installed. */
  readonly functions: string | null;
  readonly warnings: readonly string[];
}

/**
 * Applies pending migrations, installs the functions and rehearses, in one transaction. Idempotent; concurrent calls wait
 * for each other. Works through a pooler too.
 * @returns the rehearsal's warnings, as sentences for the operator
 * @throws AppError, and then nothing is changed. `precondition_failed`: no database is configured, existing data breaks a
 * rule (table, column and rows are named), the rehearsal finds an obstacle, or Postgres refuses a statement (its message
 * is included). `unavailable`: the database is unreachable or a table is in use.
 */
export async function migrateDatabase(
  {
    migrationDsn,
    defaultTurma,
  }: { readonly migrationDsn: Dsn | undefined; readonly defaultTurma?: string | undefined },
  { log = silentLog }: { log?: Log } = {},
): Promise<readonly string[]> {
  const database = openDatabase({ dsn: migrationDsn, databasePoolMax: 1 }, { log });
  try {
    const { functions, warnings } = await database.run(
      (sql) => sql.begin("isolation level read committed", (tx) => migrateIn(tx, defaultTurma).catch(refuse)),
      { deadlineMs: migrateDeadlineMs },
    );
    for (const warning of warnings) log.warn(`[Migrate] ${warning}`);
    log.info({ functions }, "[Migrate] Schema and functions are up to date");
    return warnings;
  } finally {
    await database.close();
  }
}

/**
 * The SQL that `migrateDatabase` would run, as a script. Read-only.
 * @throws AppError as `migrateDatabase` does
 */
export async function readMigrationScript(
  { migrationDsn }: { readonly migrationDsn: Dsn | undefined },
  { log = silentLog }: { log?: Log } = {},
): Promise<string> {
  const database = openDatabase({ dsn: migrationDsn, databasePoolMax: 1 }, { log });
  try {
    return await database.run(
      (sql) =>
        sql.begin("isolation level read committed read only", async (tx) => {
          await prepare(tx);
          return toScript(await plan(tx));
        }),
      { deadlineMs: migrateDeadlineMs },
    );
  } finally {
    await database.close();
  }
}

async function migrateIn(tx: TransactionSql, defaultTurma: string | undefined): Promise<MigrationReport> {
  await prepare(tx);
  await tx`select pg_advisory_xact_lock(${migrateLock})`;
  await tx`select set_config('lock_timeout', ${lockTimeout}, true)`;
  const { tables, functions } = await plan(tx);
  // Before any table lock. Otherwise a deadlock is possible: a delivery holds the writer's lock and waits for a table,
  // which this transaction has locked while its rehearsal waits for the writer's lock.
  if (tables.length > 0) await tx`select pg_advisory_xact_lock(${writerLock})`;
  for (const statement of [...tables, ...functions]) await tx.unsafe(statement);

  // The rehearsal runs triggers, defaults and policies with the search_path that a delivery has.
  await tx`set local search_path to default`;
  const { obstacles, warnings } = await rehearseIn(tx, { defaultTurma });
  if (obstacles.length > 0) throw refusal(toList(obstacles.map(({ sentence }) => sentence)));
  return { functions: functions.length > 0 ? functionsSchema : null, warnings: warnings.map((one) => one.sentence) };
}

/** Overrides the defaults of role and database. */
async function prepare(tx: ISql): Promise<void> {
  await tx`select set_config('search_path', 'public', true), set_config('statement_timeout', '0', true),
                  set_config('lock_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`;
}

async function plan(tx: ISql): Promise<MigrationPlan> {
  const pending = await findPendingEntries(tx);
  const obstacles = await findMigrationObstacles(
    tx,
    pending.map((entry) => entry.tag),
  );
  if (obstacles.length > 0) throw refusal(toList(obstacles));
  return planMigration(tx, pending);
}

function toList(obstacles: readonly string[]): string {
  return obstacles.map((obstacle) => `\n- ${obstacle}`).join("");
}

/** Converts a refusal by Postgres to an AppError with Postgres' message, which the operator needs. */
function refuse(error: unknown): never {
  if (!isPostgresError(error)) throw error;
  if (error.code === "55P03") {
    const message = "Another transaction uses a table that must be changed; nothing was changed. Try again later.";
    throw new AppError("unavailable", message, { cause: error });
  }
  // Connection errors are classified by the caller.
  if (/^(?:08|57|53|58|40)/.test(error.code)) throw error;
  const says = `Postgres says: ${error.message} (${error.code}).${error.detail ? ` ${error.detail}` : ""}`;
  // duplicate_table (any relation), duplicate_object (a constraint)
  const isTaken = error.code === "42P07" || error.code === "42710";
  throw refusal(isTaken ? ` The migration needs a name that is taken. ${says} Rename that object.` : ` ${says}`, error);
}

function refusal(why: string, cause?: unknown): AppError {
  return new AppError("precondition_failed", `The migration cannot be applied; nothing was changed.${why}`, { cause });
}
