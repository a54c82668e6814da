import { expect, setDefaultTimeout, test } from "bun:test";
import { openDatabase, type Database } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { openTcpProxy } from "../support/proxy.ts";
import { openTestApp, testAdminToken } from "../support/testApp.ts";
import { openTestDatabase, testServerUrl } from "../support/testDatabase.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";
import { openForFile, openForTest } from "../support/toClose.ts";

// Real servers on a machine that may be busy.
setDefaultTimeout(30_000);

const db = openForFile(() => openTestDatabase({ migrated: false }));

const connections = 5;

/** A pool whose connections are all open and idle. */
async function openWarm(url: string): Promise<Database> {
  const database = openDatabase({ dsn: parseDsn(url), databasePoolMax: connections });
  await Promise.all(Array.from({ length: connections }, () => sleepIn(database, 0.1)));
  return database;
}

const sleepIn = (database: Database, seconds: number) =>
  database.run((sql) => sql`select pg_sleep(${seconds})`, { deadlineMs: 2_000 });

/** `ok`, or what went wrong, and how long it took. */
async function ask(database: Database, deadlineMs = 2_000): Promise<{ said: string; ms: number }> {
  const startedAtMs = Date.now();
  const said = await database
    .run((sql) => sql`select 1`, { deadlineMs })
    .then(
      () => "ok",
      (error: Error) => (error.cause instanceof Error ? error.cause : error).message,
    );
  return { said, ms: Date.now() - startedAtMs };
}

/** As a compute does that is suspended: every connection is told 57P01 and ended. */
async function endAllConnections(application: string): Promise<void> {
  await db.sql`select pg_terminate_backend(pid, 2000) from pg_stat_activity where application_name = ${application}`;
}

test("idle connections ended by the server (57P01) cost no call a failure, neither at once nor later", async () => {
  for (const waitMs of [0, 1, 5, 50]) {
    const application = `ended_${waitMs}`;
    const database = await openWarm(`${db.url}?application_name=${application}`);
    await endAllConnections(application);
    await Bun.sleep(waitMs);
    const answers = await Promise.all(Array.from({ length: 3 * connections }, () => ask(database)));
    if (waitMs > 0) expect(new Set(answers.map(({ said }) => said))).toEqual(new Set(["ok"]));
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1_000);
    for (let round = 0; round < 2 * connections; round += 1) expect((await ask(database)).said).toBe("ok");
    await database.close();
  }
});

test("a database that was read-only for a while is written again over new connections", async () => {
  const own = await openForTest(openTestDatabase({ migrated: false }));
  await own.sql`create table written (id int)`;
  await own.sql.unsafe(`alter database ${own.name} set default_transaction_read_only = on`);
  const database = await openForTest(openWarm(own.url));
  await own.sql.unsafe(`alter database ${own.name} reset default_transaction_read_only`);
  const write = () => database.run((sql) => sql`insert into written values (1)`);
  expect(await write().catch((error: { code: string }) => error.code)).toBe("unavailable");
  for (let round = 0; round < 2 * connections; round += 1) await write();
});

test("connections reset under a statement fail it at once, and the pool is whole again at the next", async () => {
  const proxy = await openForTest(openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port) }));
  const database = await openWarm(proxy.urlFor(db.url));
  for (let round = 0; round < 8; round += 1) {
    const asking = Promise.all([ask(database), ask(database)]);
    proxy.cutAll();
    const answers = [...(await asking), await ask(database)];
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1_000);
    await Bun.sleep(5);
    expect((await ask(database)).said).toBe("ok");
    // Fewer than the connection attempts that are allowed in a second.
    await Promise.all(Array.from({ length: connections }, () => sleepIn(database, 0.2)));
  }
  const startedAtMs = Date.now();
  await database.close();
  expect(Date.now() - startedAtMs).toBeLessThan(500);
});

test("a transaction whose connection is reset is retried, and its rollback ends neither the process nor the pool", async () => {
  const proxy = await openForTest(openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port) }));
  const database = await openWarm(proxy.urlFor(db.url));
  for (let round = 0; round < 5; round += 1) {
    const working = database.run((sql) => sql.begin((tx) => tx`select pg_sleep(0.3)`), { deadlineMs: 5_000 });
    await Bun.sleep(100);
    proxy.cutAll();
    expect(await working).toHaveLength(1);
    expect((await ask(database)).said).toBe("ok");
  }
  await database.close();
});

test("connections dropped silently by a router cost one deadline, not one each", async () => {
  const proxy = await openForTest(openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port) }));
  const database = await openWarm(proxy.urlFor(db.url));
  proxy.forgetAll();
  expect((await ask(database, 500)).said).not.toBe("ok");
  for (let round = 0; round < 2 * connections; round += 1) expect((await ask(database, 500)).said).toBe("ok");
  await database.close();
});

test("every read of an operator outlives ended idle connections, and says SERVICE_UNAVAILABLE while nothing listens", async () => {
  const proxy = await openForTest(openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port) }));
  const t = await openForTest(openTestApp({ databaseUrl: (url) => `${proxy.urlFor(url)}?application_name=reads` }));
  const client = connectTo(t, testAdminToken);
  const readAll = () =>
    Promise.all([
      codeOf(client.sync.status.query()),
      codeOf(client.sync.user.query({ clerkId: "user_Reader" })),
      codeOf(client.events.list.query()),
      codeOf(client.events.get.query({ svixId: "msg_reader" })),
      codeOf(client.runs.list.query()),
      codeOf(client.runs.get.query({ runId: crypto.randomUUID() })),
      codeOf(client.links.conflicts.query()),
    ]);
  const well = await readAll();
  expect(well.filter((code) => code !== "NOT_FOUND")).toEqual(Array(5).fill("no error"));
  await endAllConnections("reads");
  await Bun.sleep(50);
  expect(await readAll()).toEqual(well);
  await proxy.setMode("refuse");
  proxy.cutAll();
  await Bun.sleep(50);
  expect(new Set((await readAll()).slice(1))).toEqual(new Set(["SERVICE_UNAVAILABLE"]));
});
