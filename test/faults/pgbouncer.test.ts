import { expect, setDefaultTimeout, test } from "bun:test";
import { runDoctor } from "../../src/cli/runDoctor.ts";
import type { AppError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { openDatabase } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { findPendingMigrations } from "../../src/store/migration/schemaState.ts";
import { startCli } from "../support/cli.ts";
import { createCollectedLog } from "../support/collectedLog.ts";
import { clerkUser, deletedEvent, userEvent } from "../support/events.ts";
import { newPgBouncer, openPgBouncer } from "../support/pgBouncer.ts";
import { openTcpProxy } from "../support/proxy.ts";
import { openTestApp, testSecret } from "../support/testApp.ts";
import { openTestDatabase, testServerUrl } from "../support/testDatabase.ts";
import { openForFile, openForTest } from "../support/toClose.ts";

// Real servers on a machine that may be busy.
setDefaultTimeout(30_000);

const pooler = openForFile(async () => openPgBouncer({ serverUrl: await testServerUrl() }));
/** Old or set up so: a statement prepared on one server connection is not there on the next. And as Neon's is. */
const poolers = [
  { keepsStatements: false, kind: "without prepared statements", testIt: test },
  { keepsStatements: true, kind: "that keeps prepared statements", testIt: test.skipIf(newPgBouncer === undefined) },
];

/** What Neon prints and people add; PgBouncer refuses what it does not know at start-up. */
const parameters =
  "sslmode=prefer&channel_binding=require&options=endpoint%3Dep-x&connect_timeout=10&application_name=sync&pool_timeout=5";

for (const { keepsStatements, kind, testIt } of poolers) {
  testIt(`500 deliveries at once through a pooler ${kind} are all settled`, async () => {
    const pooler = await openForTest(openPgBouncer({ serverUrl: await testServerUrl(), keepsStatements }));
    const t = await openForTest(openTestApp({ databaseUrl: (url) => `${pooler.urlFor(url)}&${parameters}` }));
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, place) => t.deliver(userEvent(clerkUser(`user_Pooled${place % 400}`)))),
    );
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    expect(await t.sql`select from users`).toHaveLength(400);
    expect(await t.sql`select from webhook_events`).toHaveLength(500);
    expect(await t.sql`select from mentorados where user_id is not null`).toHaveLength(400);
    expect((await t.deliver(deletedEvent("user_Pooled1"))).said).toBe("applied");
    // Often, and side by side, on one server connection and the next.
    for (let round = 0; round < 3; round += 1) {
      const users = await Promise.all(
        Array.from({ length: 30 }, (_, place) => t.services.users.getUser(`user_Pooled${place + 2}`)),
      );
      expect(new Set(users.map((user) => user.link))).toEqual(new Set(["linked"]));
    }
    expect((await t.services.status.getStatus()).users.deleted).toBe(1);
  });

  testIt(
    `statements are ${keepsStatements ? "prepared, until one is lost," : "not prepared"} through a pooler ${kind}`,
    async () => {
      const narrow = await openForTest(
        openPgBouncer({ serverUrl: await testServerUrl(), poolSize: 1, keepsStatements }),
      );
      const { log, lines } = createCollectedLog();
      const db = await openForTest(openTestDatabase());
      const database = await openForTest(openDatabase({ dsn: parseDsn(narrow.urlFor(db.url)) }, { log }));
      const countPrepared = async () => {
        const [row] = await database.run(
          (sql) => sql<{ count: number }[]>`
          select count(*)::integer as count from pg_prepared_statements where statement like ${"%a question%"}`,
        );
        return row?.count;
      };
      const ask = (place: number) => database.run((sql) => sql`select ${place}::integer as "a question"`);
      for (let place = 0; place < 10; place += 1) await ask(place);
      expect(await countPrepared()).toBe(keepsStatements ? 1 : 0);
      if (!keepsStatements) return;
      // In a way that the pooler does not see.
      await database.run((sql) => sql.unsafe("do $$ begin execute 'deallocate all'; end $$"));
      expect(await Promise.all([1, 2, 3].map((place) => ask(place).then(([row]) => row?.["a question"])))).toEqual([
        1, 2, 3,
      ]);
      expect(await countPrepared()).toBe(0);
      expect(lines.map((line) => line["msg"])).toEqual([
        "[Database] The pooler has lost a prepared statement; from now on none is used",
      ]);
    },
  );
}

test("a first call that times out does not fail a later call that waits for the same answer of the pooler", async () => {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  const pooledUrl = pooler.urlFor(db.url);
  const proxy = await openForTest(openTcpProxy({ targetPort: Number(new URL(pooledUrl).port) }));
  await proxy.setMode("hang");
  const database = await openForTest(openDatabase({ dsn: parseDsn(proxy.urlFor(pooledUrl)) }));
  const first = database.run((sql) => sql`select`, { deadlineMs: 400 }).catch((error: AppError) => error.code);
  const later = database.run((sql) => sql<{ one: number }[]>`select 1 as one`, { deadlineMs: 10_000 });
  later.catch(() => undefined);
  expect(await first).toBe("unavailable");
  await proxy.setMode("pass");
  expect([...(await later)]).toEqual([{ one: 1 }]);
});

test("texts with quotes, dollars and backslashes are stored unchanged through a pooler", async () => {
  const t = await openForTest(openTestApp({ databaseUrl: (url) => pooler.urlFor(url) }));
  const name = `$$ '' \\' "q" $j$ \\u0041 'x'; drop table users; --`;
  const user = clerkUser("user_Quoted", { first_name: name, last_name: null });
  expect((await t.deliver(userEvent(user))).said).toBe("applied");
  expect((await t.sql`select name from users`)[0]?.["name"]).toBe(name);
});

for (const { keepsStatements, kind, testIt } of poolers)
  testIt(`a default isolation level other than read committed does not matter through a pooler ${kind}`, async () => {
    const pooler = await openForTest(openPgBouncer({ serverUrl: await testServerUrl(), keepsStatements }));
    const t = await openForTest(openTestApp({ databaseUrl: (url) => pooler.urlFor(url) }));
    await t.sql.unsafe(`alter database ${t.db.name} set default_transaction_isolation = 'repeatable read'`);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, place) => t.deliver(userEvent(clerkUser(`user_Isolated${place}`)))),
    );
    expect(new Set(answers.map((answer) => answer.said))).toEqual(new Set(["applied"]));
  });

poolers[1]?.testIt("a function call is one statement also where the default isolation is repeatable read", async () => {
  const options = { serverUrl: await testServerUrl(), poolSize: 1, keepsStatements: true };
  const narrow = await openForTest(openPgBouncer(options));
  const t = await openForTest(openTestApp({ databaseUrl: (url) => narrow.urlFor(url) }));
  await t.sql.unsafe(`alter database ${t.db.name} set default_transaction_isolation = 'repeatable read'`);
  expect((await t.deliver(userEvent(clerkUser("user_Isolated")))).said).toBe("applied");
  // A prepared one would return no row, and a second statement would follow.
  const findPrepared = "select statement from pg_prepared_statements where statement like 'select clerk_sync_%'";
  expect([...(await t.database.run((sql) => sql.unsafe(findPrepared)))]).toEqual([]);
});

test("more questions at once than there are connections are all answered, whatever their kind", async () => {
  for (const poolSize of [1, 5]) {
    const narrow = await openForTest(openPgBouncer({ serverUrl: await testServerUrl(), poolSize }));
    const db = await openForTest(openTestDatabase({ migrated: false }));
    const database = await openForTest(openDatabase({ dsn: parseDsn(narrow.urlFor(db.url)), databasePoolMax: 2 }));
    const ask = (place: number) =>
      database.run(async (sql) => {
        // The first of a connection has no parameter: what is sent behind it has to be answered all the same.
        if (place % 3 === 0) await sql`select from pg_sleep(0.01)`;
        else if (place % 3 === 1) return (await sql<{ place: number }[]>`select ${place}::integer as place`)[0]?.place;
        else await sql.begin((tx) => tx`select ${place}::integer`);
        return place;
      });
    for (let round = 0; round < 3; round += 1)
      expect(await Promise.all(Array.from({ length: 12 }, (_, place) => ask(place)))).toEqual(
        Array.from({ length: 12 }, (_, place) => place),
      );
  }
});

test("migrating through the pooler works, with one server connection to share and a search_path elsewhere", async () => {
  const narrow = await openForTest(openPgBouncer({ serverUrl: await testServerUrl(), poolSize: 1 }));
  const db = await openForTest(openTestDatabase({ migrated: false }));
  await db.sql.unsafe(`create schema app; alter database ${db.name} set search_path = app`);
  const url = `${narrow.urlFor(db.url)}&${parameters}`;
  await Promise.all([
    migrateDatabase({ migrationDsn: parseDsn(url) }),
    migrateDatabase({ migrationDsn: parseDsn(url) }),
  ]);
  expect(await findPendingMigrations(db.sql)).toEqual([]);
  expect(await db.sql`select from pg_class where relnamespace = 'app'::regnamespace`).toHaveLength(0);
});

test("a pooler that the URL does not name as one: doctor, the command line and the log say what to add", async () => {
  const db = await openForTest(openTestDatabase());
  const url = pooler.urlFor(db.url).replace("pgbouncer=true", "");
  // It refuses a start-up parameter; others lose prepared statements.
  for (const [dsn, statement] of [
    [url, "select"],
    [db.url, "execute absent"],
  ] as const) {
    const { log, lines } = createCollectedLog();
    const database = await openForTest(openDatabase({ dsn: parseDsn(dsn) }, { log }));
    const asking = database.run((sql) => sql.unsafe(statement), { deadlineMs: 5_000 });
    expect(await asking.catch((error: AppError) => error.code)).toBe("unavailable");
    expect(lines.map((line) => line["msg"])).toContain(
      "[Database] DATABASE_URL leads to a pooler; add pgbouncer=true to it",
    );
  }
  const checks = await runDoctor({ DATABASE_URL: url, CLERK_WEBHOOK_SECRET: testSecret }, silentLog);
  expect(checks.find(({ name }) => name === "database")?.message).toContain("add pgbouncer=true to the URL");
  const { code, stderr } = await startCli(["status"], { DATABASE_URL: url }).ended;
  expect([code, stderr]).toEqual([1, expect.stringContaining("add pgbouncer=true to the URL")]);
});

test("the connection's settings reach the server", async () => {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  const database = openDatabase({ dsn: parseDsn(`${pooler.urlFor(db.url)}&application_name=pooled`) });
  try {
    const rows = await database.run((sql) => sql`select current_setting('application_name') as name`, {
      deadlineMs: 2_000,
    });
    expect(rows[0]?.["name"]).toBe("pooled");
  } finally {
    await database.close();
  }
});
