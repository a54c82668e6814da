import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { openEmbeddedPostgres } from "../../src/dev/postgres/embeddedPostgres.ts";
import { findMajorPackage, majorVariable } from "./postgresMajor.ts";
import { silentLog } from "../../src/log.ts";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";

/** Where `bun run test` says its server is; under a bare `bun test` each process opens one of its own. */
const testServerVariable = "TEST_POSTGRES_URL";

const templateName = "template_migrated";
/** Chosen at random; held while the template is made. */
const templateLock = 7_190_233_604;

/** A database of its own. */
export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  readonly sql: postgres.Sql;
  /** Ends `sql` and drops the database. */
  close(): Promise<void>;
}

let ownServer: Promise<string> | undefined;

/** The superuser's URL of the test run's server. */
export async function testServerUrl(): Promise<string> {
  const given = process.env[testServerVariable];
  if (given) return given;
  // Never stopped here: it ends when this process does, and its folder with it.
  ownServer ??= openOwnServer();
  return ownServer;
}

async function openOwnServer(): Promise<string> {
  const packageFolder = await findMajorPackage(process.env[majorVariable]);
  return (await openEmbeddedPostgres({ persistent: false, log: silentLog, packageFolder })).url;
}

/**
 * Creates a fresh database, 30–50 ms: a copy of one that was migrated once per test run, or an empty one.
 * With TEST_KEEP_DATABASES set, `close` leaves it and prints its URL, to look at after a failure.
 */
export async function openTestDatabase({
  migrated = true,
  icuLocale,
}: {
  migrated?: boolean;
  /** Locale of ICU instead of the server's own; the database is then empty. Since Postgres 15. */
  icuLocale?: string | undefined;
} = {}): Promise<TestDatabase> {
  const serverUrl = await testServerUrl();
  const name = `test_${randomBytes(6).toString("hex")}`;
  await withAdmin(serverUrl, async (admin) => {
    const isCopy = migrated && icuLocale === undefined;
    if (isCopy) await ensureTemplate(serverUrl, admin);
    const locale = icuLocale === undefined ? admin`` : admin.unsafe(`locale_provider icu icu_locale '${icuLocale}'`);
    await admin`create database ${admin(name)} template ${admin(isCopy ? templateName : "template0")} ${locale}`;
  });
  const url = urlOf(serverUrl, name);
  const sql = connect(url, 4);
  return {
    url,
    name,
    sql,
    close: async () => {
      await sql.end({ timeout: 1 });
      if (process.env["TEST_KEEP_DATABASES"]) console.error(`kept ${url}`);
      else await withAdmin(serverUrl, (admin) => admin`drop database if exists ${admin(name)} with (force)`);
    },
  };
}

/**
 * Moves the time of the SQL functions (leases, schedules, retention) to `aheadMs` ahead of the server's. Connections that
 * are open take it up at their next statement.
 */
export async function moveDatabaseClock(db: Pick<TestDatabase, "sql" | "name">, aheadMs: number): Promise<void> {
  await db.sql`alter database ${db.sql(db.name)} set clerk_neon_sync.clock_offset = ${db.sql.unsafe(`'${aheadMs} ms'`)}`;
  // A setting of the database is read when a connection is made.
  await db.sql`select pg_terminate_backend(pid) from pg_stat_activity
               where datname = ${db.name} and pid <> pg_backend_pid() and state = 'idle'`;
  // Their clients hear of it a moment later.
  await Bun.sleep(50);
}

async function ensureTemplate(serverUrl: string, admin: postgres.Sql): Promise<void> {
  if (await templateExists(admin)) return;
  // A session lock: the work below goes through other connections.
  await admin`select pg_advisory_lock(${templateLock})`;
  try {
    if (await templateExists(admin)) return;
    const draft = `${templateName}_draft`;
    await admin`drop database if exists ${admin(draft)} with (force)`;
    await admin`create database ${admin(draft)} template template0`;
    await migrateDatabase({ migrationDsn: parseDsn(urlOf(serverUrl, draft)) });
    // Under its final name only when it is whole.
    await admin`alter database ${admin(draft)} rename to ${admin(templateName)}`;
  } finally {
    await admin`select pg_advisory_unlock(${templateLock})`;
  }
}

async function templateExists(admin: postgres.Sql): Promise<boolean> {
  return (await admin`select from pg_database where datname = ${templateName}`).length === 1;
}

async function withAdmin(serverUrl: string, use: (admin: postgres.Sql) => Promise<unknown>): Promise<void> {
  const admin = connect(serverUrl, 1);
  try {
    await use(admin);
  } finally {
    await admin.end({ timeout: 1 });
  }
}

function connect(url: string, max: number): postgres.Sql {
  return postgres(url, { max, onnotice: () => undefined });
}

function urlOf(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}
