import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate } from "drizzle-orm/postgres-js/migrator";
import type { Sql } from "postgres";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { openDatabase } from "./database.ts";
import { findMigrationObstacles } from "./migrationPreflight.ts";
import { migrationJournal, migrationTexts } from "./migrationFiles.ts";
import { findOutdatedFunctions, installFunctions } from "./sqlFunctions.ts";

/** Chosen at random; any other use of this advisory lock would only wait. */
const migrateLock = 4_821_094_417_730;
/** Building an index over millions of rows takes minutes. */
const migrateDeadlineMs = 30 * 60_000;

/**
 * Brings a database to this program's schema and functions; a second call changes nothing, of several at once each
 * waits for the one before.
 * @param url a direct (unpooled) Postgres URL
 * @throws AppError `precondition_failed` naming table, column and rows if data from before breaks a rule; the database
 * is then as it was. `unavailable` if it cannot be reached.
 */
export async function migrateDatabase({ url, log }: { url: string; log: Log }): Promise<void> {
  const database = openDatabase({ url, poolMax: 2, log });
  try {
    await database.run(
      async (sql) => {
        await sql.begin(async (tx) => {
          // Held by a transaction of its own, so that it also works through a pooler.
          await tx`select pg_advisory_xact_lock(${migrateLock})`;
          await migrateLocked(sql, log);
        });
      },
      { deadlineMs: migrateDeadlineMs },
    );
  } finally {
    await database.close();
  }
}

async function migrateLocked(sql: Sql, log: Log): Promise<void> {
  const obstacles = await findMigrationObstacles(sql);
  if (obstacles.length > 0) {
    const list = obstacles.map((obstacle) => `\n- ${obstacle}`).join("");
    throw new AppError("precondition_failed", `The migration cannot be applied; nothing was changed.${list}`);
  }
  const folder = await mkdtemp(join(tmpdir(), "clerk-neon-sync-migrations-"));
  try {
    // drizzle's migrator reads a folder; a single-file build has none on disk.
    await mkdir(join(folder, "meta"));
    await writeFile(join(folder, "meta", "_journal.json"), JSON.stringify(migrationJournal));
    for (const [tag, text] of Object.entries(migrationTexts)) await writeFile(join(folder, `${tag}.sql`), text);
    await migrate(drizzle(sql), { migrationsFolder: folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const installed = await installFunctions(sql);
  log.info({ functions: installed }, "[Migrate] Schema and functions are up to date");
}

/** Whether the database is what this program expects; the names of what is missing, for `/readyz` and `doctor`. */
export async function findPendingMigrations(sql: Sql): Promise<string[]> {
  const [ledger] = await sql<
    { name: string | null }[]
  >`select to_regclass('drizzle.__drizzle_migrations')::text as name`;
  const applied = ledger?.name
    ? await sql<{ createdAt: string }[]>`select created_at::text as "createdAt" from drizzle.__drizzle_migrations`
    : [];
  const newest = Math.max(0, ...applied.map((row) => Number(row.createdAt)));
  const pending = migrationJournal.entries.filter((entry) => entry.when > newest).map((entry) => entry.tag);
  return [...pending, ...(await findOutdatedFunctions(sql))];
}
