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

/** Chosen at random; any other use of this advisory lock would only wait. */
const migrateLock = 4_821_094_417_730;
/** Building an index over millions of rows takes minutes. */
const migrateDeadlineMs = 30 * 60_000;
/** The lock under which users are written, as rules.sql has it. */
const writerLock = 7_164_381_920_153;
/** A wait for a table lock holds up all later statements on that table; try again at a quieter time. */
const lockTimeout = "10s";

interface MigrationReport {
  /** The schema of the functions if they were installed. */
  readonly functions: string | null;
  readonly warnings: readonly string[];
}

/**
 * Brings a database to this program's schema and functions, in one transaction; a second call changes nothing, of
 * several at once each waits for the one before. Ends with a rehearsal. Works through a pooler too.
 * @returns what the rehearsal warns of, for people
 * @throws AppError `precondition_failed` if the configuration names no database, if data from before breaks a rule,
 * naming table, column and rows, if the rehearsal finds an obstacle, or if Postgres refuses, in its words; `unavailable` if it cannot be reached or a table is in use. Nothing is changed then.
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
 * The SQL that `migrateDatabase` would run, as a script; runs none of it.
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
  // Before any table: a delivery that holds it would wait for the table, and the rehearsal for the delivery.
  if (tables.length > 0) await tx`select pg_advisory_xact_lock(${writerLock})`;
  for (const statement of [...tables, ...functions]) await tx.unsafe(statement);

  // Triggers, defaults and policies are to find what they find at a delivery.
  await tx`set local search_path to default`;
  const { obstacles, warnings } = await rehearseIn(tx, { defaultTurma });
  if (obstacles.length > 0) throw refusal(toList(obstacles.map(({ sentence }) => sentence)));
  return { functions: functions.length > 0 ? functionsSchema : null, warnings: warnings.map((one) => one.sentence) };
}

/** Whatever role and database have for defaults. */
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

/** What Postgres refuses is for the operator to settle, who needs its words. */
function refuse(error: unknown): never {
  if (!isPostgresError(error)) throw error;
  if (error.code === "55P03") {
    const message = "A table to be changed is in use by another transaction; nothing was changed. Try again later.";
    throw new AppError("unavailable", message, { cause: error });
  }
  // Connection trouble is told from a refusal by the caller.
  if (/^(?:08|57|53|58|40)/.test(error.code)) throw error;
  const says = `Postgres says: ${error.message} (${error.code}).${error.detail ? ` ${error.detail}` : ""}`;
  // duplicate_table (any relation), duplicate_object (a constraint)
  const isTaken = error.code === "42P07" || error.code === "42710";
  throw refusal(isTaken ? ` The migration needs a name that is taken. ${says} Rename what has it.` : ` ${says}`, error);
}

function refusal(why: string, cause?: unknown): AppError {
  return new AppError("precondition_failed", `The migration cannot be applied; nothing was changed.${why}`, { cause });
}
