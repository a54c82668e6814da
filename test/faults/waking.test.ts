import { expect, setDefaultTimeout, test } from "bun:test";
import { runDoctor } from "../../src/cli/runDoctor.ts";
import { silentLog } from "../../src/log.ts";
import { findPendingMigrations } from "../../src/store/migration/schemaState.ts";
import { startCli } from "../support/cli.ts";
import { createCollectedLog } from "../support/collectedLog.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { createPagedClerk } from "../support/pagedClerk.ts";
import { openTcpProxy, type TcpProxy } from "../support/proxy.ts";
import { figuresOf } from "../support/runs.ts";
import { neonWaking, postgresStarting, toErrorResponse } from "../support/startUpRefusal.ts";
import { openTestApp, testAdminToken, testSecret, type TestApp } from "../support/testApp.ts";
import { openTestDatabase, testServerUrl } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";

// Real servers on a machine that may be busy.
setDefaultTimeout(40_000);

/** Longer than Neon takes, and shorter than the time that a readiness probe waits. */
const wakingMs = 2_000;

async function openLink(): Promise<TcpProxy> {
  return openForTest(openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port) }));
}

/** Ends every connection, as Neon does with a compute's; from now on none is taken for `wakingMs`. */
async function fallAsleep(link: TcpProxy, answer = neonWaking): Promise<void> {
  await link.setMode({ answer });
  link.cutAll();
  setTimeout(() => void link.setMode("pass"), wakingMs);
  // A statement that is sent before the end of its connection is known fails with it.
  await Bun.sleep(50);
}

async function openApp(options: Parameters<typeof openTestApp>[0] = {}): Promise<{ t: TestApp; link: TcpProxy }> {
  const link = await openLink();
  const t = await openForTest(openTestApp({ ...options, databaseUrl: link.urlFor }));
  return { t, link };
}

for (const [name, answer] of Object.entries({ "XX000 of Neon's proxy": neonWaking, "57P03": postgresStarting })) {
  test(`a database that is waking up (${name}) costs deliveries a delay and no failure`, async () => {
    const { t, link } = await openApp();
    await fallAsleep(link, answer);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, place) => t.deliver(userEvent(clerkUser(`user_Waking${place}`)))),
    );
    expect(new Set(answers.map(({ said }) => said))).toEqual(new Set(["applied"]));
    expect(link.accepted() / (wakingMs / 1_000)).toBeLessThan(50);
  });
}

test("reads over tRPC and readiness wait until the database is awake", async () => {
  const { t, link } = await openApp();
  await t.deliver(userEvent(clerkUser("user_Reader")));
  await fallAsleep(link);
  const client = connectTo(t, testAdminToken);
  const [user, status, events, ready] = await Promise.all([
    client.sync.user.query({ clerkId: "user_Reader" }),
    client.sync.status.query(),
    client.events.list.query(),
    t.app.request("/readyz"),
  ]);
  expect([user.state, status.users.total, events.items.length, ready.status]).toEqual(["synced", 1, 1, 200]);
});

test("a backfill continues when the database is suspended at its start and between its pages", async () => {
  const clerk = createPagedClerk(1_200);
  const { t, link } = await openApp({ clerk: clerk.api });
  clerk.onList = ({ startingAfter }) => (startingAfter === undefined ? undefined : fallAsleep(link));
  await fallAsleep(link);
  const { runId } = await t.services.runs.start({ kind: "backfill" });
  await t.services.runs.waitFor(runId);
  expect(figuresOf(await t.services.runs.get(runId))).toEqual({ status: "done", seen: 1_200, applied: 1_200 });
});

test("migrate and status on the command line wait until the database is awake, and end with 0", async () => {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  const link = await openLink();
  for (const command of ["migrate", "status"]) {
    await link.setMode({ answer: neonWaking });
    const before = link.accepted();
    const cli = startCli([command], { DATABASE_URL: link.urlFor(db.url) });
    while (link.accepted() === before) await Bun.sleep(10);
    setTimeout(() => void link.setMode("pass"), wakingMs);
    const { code, stderr } = await cli.ended;
    expect(link.accepted() - before).toBeGreaterThan(2);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  }
  expect(await findPendingMigrations(db.sql)).toEqual([]);
});

test("a permanent refusal is 503 within 10 s; the log and doctor show the proxy's message", async () => {
  const words = "Your account or project has exceeded the compute time quota.";
  const { log, lines } = createCollectedLog();
  const { t, link } = await openApp({ log });
  await link.setMode({ answer: toErrorResponse({ code: "XX000", message: words }) });
  const startedAtMs = Date.now();
  const answers = await Promise.all(
    Array.from({ length: 3 }, (_, place) => t.deliver(userEvent(clerkUser(`user_Quota${place}`)))),
  );
  expect(Date.now() - startedAtMs).toBeLessThan(10_000);
  for (const answer of answers) {
    expect([answer.status, answer.said]).toEqual([503, "unavailable"]);
    expect(answer.headers.get("retry-after")).not.toBeNull();
  }
  expect(lines.filter((line) => JSON.stringify(line).includes(words)).length).toBeGreaterThan(0);
  const checks = await runDoctor({ DATABASE_URL: link.urlFor(t.db.url), CLERK_WEBHOOK_SECRET: testSecret }, silentLog);
  const check = checks.find(({ name }) => name === "database");
  expect(check).toEqual({ name: "database", status: "failure", message: expect.stringContaining(words) as string });
});

test.each(["28P01", "28000", "3D000", "42501"])(
  "while each log-in is refused with %s, calls over tRPC are SERVICE_UNAVAILABLE",
  async (code) => {
    const { t, link } = await openApp();
    await link.setMode({ answer: toErrorResponse({ code, message: "refused" }) });
    link.cutAll();
    const client = connectTo(t, testAdminToken);
    expect(await codeOf(client.events.list.query())).toBe("SERVICE_UNAVAILABLE");
    expect(await codeOf(client.sync.user.query({ clerkId: "user_Reader" }))).toBe("SERVICE_UNAVAILABLE");
  },
);

test("the reason for readiness 503 is logged once, not at every probe", async () => {
  const { log, lines } = createCollectedLog();
  const t = await openForTest(openTestApp({ log, databaseUrl: (url) => url.replace("postgres:", "postgres:not") }));
  for (let probe = 0; probe < 3; probe += 1) expect((await t.app.request("/readyz")).status).toBe(503);
  const said = lines.filter((line) => JSON.stringify(line).includes("password authentication failed"));
  expect(said.map((line) => line["msg"])).toEqual([
    "[Readiness] The database does not answer; /readyz is 503 until it does",
  ]);
});

test("XX000 in answer to a statement is that statement's error, and not tried again", async () => {
  const { t } = await openApp();
  let calls = 0;
  const asking = t.database.run(
    (sql) => {
      calls += 1;
      return sql.unsafe("do $$ begin raise exception 'broken' using errcode = 'XX000'; end $$");
    },
    { deadlineMs: 5_000 },
  );
  expect(await asking.catch((error: Error) => error.message)).toBe("broken");
  expect(calls).toBe(1);
});
