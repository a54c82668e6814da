import { expect, test } from "bun:test";
import { findDifferences } from "../../src/dev/clerk/findDifferences.ts";
import { createSyncClient } from "../../src/trpc/client.ts";
import { openFaultyClerk, type FaultyClerk } from "../support/faultyClerk.ts";
import { figuresOf, waitUntil } from "../support/runs.ts";
import { startServerProcess, type ServerProcess } from "../support/serverProcess.ts";
import { testAdminToken } from "../support/testApp.ts";
import { openTestDatabase, type TestDatabase } from "../support/testDatabase.ts";
import { openForTest, toClose } from "../support/toClose.ts";

interface ServersTest {
  readonly clerk: FaultyClerk;
  readonly db: TestDatabase;
  readonly startServer: (env?: Readonly<Record<string, string>>) => Promise<ServerProcess>;
}

async function openServersTest(users: number): Promise<ServersTest> {
  const clerk = await openFaultyClerk({ users, requestsPer10s: Number.POSITIVE_INFINITY });
  const db = await openForTest(openTestDatabase());
  toClose.push(clerk.close);
  return {
    clerk,
    db,
    startServer: async (env = {}) => {
      const keys = { CLERK_SECRET_KEY: clerk.secretKey, CLERK_API_URL: clerk.apiUrl };
      const server = await startServerProcess({ databaseUrl: db.url, env: { ...keys, ...env } });
      toClose.unshift(() => server.close());
      return server;
    },
  };
}

const connect = (server: ServerProcess) => createSyncClient({ url: server.url, token: testAdminToken });

test("two servers share one reconcile per interval, which repairs what lost webhooks left out", async () => {
  const f = await openServersTest(40);
  const env = { RECONCILE_EVERY_MINUTES: "0.04" };
  const [server] = await Promise.all([f.startServer(env), f.startServer(env)]);
  const runs = () => f.db.sql<{ atMs: number }[]>`
    select (extract(epoch from started_at) * 1000)::float8 as "atMs" from sync_runs where status = 'done' order by started_at`;
  await waitUntil(async () => (await runs()).length > 0, 20_000);
  const person = f.clerk.directory.list({ limit: 1, orderBy: { field: "created_at", descending: false } })[0];
  f.clerk.directory.update(person?.id ?? "", { first_name: "Repaired" });
  const before = (await runs()).length;
  // One that was under way may have gone by already.
  await waitUntil(async () => (await runs()).length >= before + 2, 20_000);
  expect(await findDifferences(f.db.sql, f.clerk.directory, [])).toEqual([]);
  const times = (await runs()).map((row) => row.atMs);
  for (const [place, atMs] of times.entries())
    if (place > 0) expect(atMs - (times[place - 1] ?? 0)).toBeGreaterThan(2_100);
  expect((await connect(server).sync.status.query()).lastRun).toMatchObject({ kind: "reconcile" });
}, 90_000);

test("after kill -9 of a server a start at another server takes its run over within 10 s, and the run ends complete", async () => {
  const f = await openServersTest(2_400);
  f.clerk.setFault({ kind: "slow", ms: 400 });
  const [dying, other] = await Promise.all([f.startServer(), f.startServer()]);
  const { runId } = await connect(dying).runs.start.mutate({ kind: "backfill" });
  const client = connect(other);
  await waitUntil(async () => (await client.runs.get.query({ runId })).seen >= 500, 20_000);
  dying.signal("SIGKILL");
  await dying.ended;
  let taken: string | undefined;
  const tookMs = await waitUntil(async () => {
    taken = await client.runs.start.mutate({ kind: "backfill" }).then(
      (run) => run.runId,
      () => undefined,
    );
    return taken !== undefined;
  }, 20_000);
  expect(tookMs).toBeLessThan(10_000);
  expect(taken).toBe(runId);
  f.clerk.setFault(undefined);
  await waitUntil(async () => (await client.runs.get.query({ runId })).status !== "running", 30_000);
  expect(figuresOf(await client.runs.get.query({ runId }))).toEqual({ status: "done", seen: 2_400, applied: 2_400 });
  expect(await findDifferences(f.db.sql, f.clerk.directory, [])).toEqual([]);
}, 90_000);

test("on SIGTERM a server releases its run and exits 0 within 10 s, and the next server resumes the run by itself", async () => {
  const f = await openServersTest(2_400);
  f.clerk.setFault({ kind: "slow", ms: 400 });
  const leaving = await f.startServer();
  const { runId } = await connect(leaving).runs.start.mutate({ kind: "reconcile" });
  await waitUntil(async () => (await connect(leaving).runs.get.query({ runId })).seen >= 500, 20_000);
  const toldAtMs = performance.now();
  leaving.signal("SIGTERM");
  expect(await leaving.ended).toBe(0);
  expect(performance.now() - toldAtMs).toBeLessThan(10_000);
  const [run] = await f.db.sql<
    { free: boolean }[]
  >`select lease_until <= now() as free from sync_runs where status = 'running'`;
  expect(run).toEqual({ free: true });
  f.clerk.setFault(undefined);
  const client = connect(await f.startServer());
  await waitUntil(async () => (await client.runs.get.query({ runId })).status !== "running", 40_000);
  expect(figuresOf(await client.runs.get.query({ runId }))).toEqual({
    status: "done",
    seen: 2_400,
    applied: 2_400,
    drift: 2_400,
  });
}, 90_000);
