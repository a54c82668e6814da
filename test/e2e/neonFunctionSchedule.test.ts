import { expect, setDefaultTimeout, test } from "bun:test";
import { findDifferences } from "../../src/dev/clerk/findDifferences.ts";
import { createSyncClient } from "../../src/trpc/client.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { openFaultyClerk, type FaultyClerk } from "../support/faultyClerk.ts";
import { buildNeonFunction, type FunctionApp } from "../support/neonFunction.ts";
import { openTcpProxy } from "../support/proxy.ts";
import { waitUntil } from "../support/runs.ts";
import { testAdminToken } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForFile, openForTest } from "../support/toClose.ts";

setDefaultTimeout(60_000);
const built = openForFile(buildNeonFunction);

const clerkEnv = (of: FaultyClerk) => ({ CLERK_SECRET_KEY: of.secretKey, CLERK_API_URL: of.apiUrl });

const schedule = (of: FunctionApp) => of.app.request("/api/schedule", { method: "POST", body: "{}" });

test("a call of the schedule does what is due, answers when that is done, and does nothing else", async () => {
  const clerk = await openForTest(openFaultyClerk({ users: 3 }));
  const own = await openForTest(built.open({ env: { ...clerkEnv(clerk), RECONCILE_EVERY_MINUTES: "60" } }));
  const got = await own.app.request("/api/schedule");
  expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
  const first = await schedule(own);
  expect([first.status, await first.json()]).toEqual([
    200,
    { runs: [{ kind: "reconcile", status: "done" }], dueInMs: 3_600_000, note: null },
  ]);
  expect(await findDifferences(own.sql, clerk.directory, [])).toEqual([]);
  expect(await (await schedule(own)).json()).toMatchObject({ runs: [], note: null });
  expect(await own.sql`select from sync_runs`).toHaveLength(1);
});

test("at SIGINT scheduled and manual runs are released, and the next call of the schedule resumes them", async () => {
  const large = await openForTest(openFaultyClerk({ users: 1_100, requestsPer10s: Number.POSITIVE_INFINITY }));
  large.setFault({ kind: "slow", ms: 200 });
  const env = { ...clerkEnv(large), RECONCILE_EVERY_MINUTES: "60" };
  const leaving = await openForTest(built.open({ env }));
  const scheduled = schedule(leaving);
  const seen = async (kind: string) =>
    Number((await leaving.sql`select seen from sync_runs where kind = ${kind}`)[0]?.["seen"] ?? 0);
  await waitUntil(async () => (await seen("reconcile")) >= 500, 20_000);
  await createSyncClient({ url: leaving.server.url, token: testAdminToken }).runs.start.mutate({ kind: "backfill" });
  leaving.server.signal("SIGINT");
  expect(await (await scheduled).json()).toMatchObject({ runs: [{ kind: "reconcile", status: "paused" }] });
  expect(await leaving.server.ended).toBe(0);
  large.setFault(undefined);
  const next = await openForTest(built.open({ databaseUrl: leaving.db.url, env }));
  const done = ["backfill", "reconcile"].map((kind) => ({ kind, status: "done" }));
  expect(await (await schedule(next)).json()).toMatchObject({ runs: done });
  const runs = await leaving.sql`select kind, status, seen from sync_runs order by kind`;
  expect(runs.map((run) => ({ ...run }))).toEqual(done.map((run) => ({ ...run, seen: 1_100 })));
  expect(await findDifferences(leaving.sql, large.directory, [])).toEqual([]);
});

test("at SIGINT requests that wait for a hanging database are answered 503, and the process ends within 5 s", async () => {
  const db = await openForTest(openTestDatabase());
  const link = await openForTest(openTcpProxy({ targetPort: Number(new URL(db.url).port) }));
  const own = await openForTest(built.open({ databaseUrl: link.urlFor(db.url) }));
  expect((await own.deliver(userEvent(clerkUser("user_Before")))).status).toBe(200);
  await link.setMode("hang");
  const delivery = own.server.deliver(userEvent(clerkUser("user_InFlight")));
  await waitUntil(async () => own.server.output().split("Received Clerk event").length === 3, 5_000);
  const toldAtMs = performance.now();
  own.server.signal("SIGINT");
  const { status, body } = await delivery;
  expect([status, body, await own.server.ended]).toEqual([
    503,
    expect.stringContaining("This copy is shutting down."),
    0,
  ]);
  expect(performance.now() - toldAtMs).toBeLessThan(5_000);
});
