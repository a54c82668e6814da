import { expect, test } from "bun:test";
import { expectAnswered, expectKept, startLoad, type Load } from "../support/load.ts";
import { openTcpProxy, type TcpProxy } from "../support/proxy.ts";
import { startServerProcess, waitFor, type ServerProcess } from "../support/serverProcess.ts";
import { neonWaking } from "../support/startUpRefusal.ts";
import { openTestDatabase, testServerUrl, type TestDatabase } from "../support/testDatabase.ts";
import { findLongestWaitSeconds, writerLock } from "../support/writerLock.ts";

const testDeadlineMs = 60_000;

interface Scene {
  readonly db: TestDatabase;
  readonly proxy: TcpProxy;
  readonly server: ServerProcess;
  readonly load: Load;
}

/** A server in a process of its own, its database behind a link that can break, and senders who never pause. */
async function withScene(play: (scene: Scene) => Promise<void>): Promise<void> {
  const db = await openTestDatabase();
  const proxy = await openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port) });
  const server = await startServerProcess({ databaseUrl: proxy.urlFor(db.url) });
  const load = startLoad(() => server, { senders: 4, pauseMs: 10 });
  try {
    await waitFor(() => load.sent.some(isSettled), { deadlineMs: 10_000, what: "a first 200" });
    await play({ db, proxy, server, load });
    await load.stop();
    expectAnswered(load.sent);
    await expectKept(db.sql, load.sent);
    expect(server.logs.some((line) => line.level >= 60)).toBe(false);
  } finally {
    await load.stop();
    await server.close();
    await proxy.close();
    await db.close();
  }
}

const isSettled = ({ answer }: { answer: { status: number } }) => answer.status === 200;

/** While the database is away: alive, not ready, deliveries 503, few connection attempts, and quick once it is known. */
async function expectAway({ server, proxy, load }: Scene, forMs: number, knownAfterMs: number): Promise<void> {
  const before = load.sent.length;
  const endsAtMs = Date.now() + forMs;
  const knownAtMs = Date.now() + knownAfterMs;
  while (Date.now() < endsAtMs) {
    const before = proxy.accepted();
    const attempts = Bun.sleep(1_000).then(() => proxy.accepted() - before);
    const [health, ready] = await Promise.all([server.get("/healthz"), server.get("/readyz")]);
    expect([health.status, health.ms < 1_000]).toEqual([200, true]);
    expect(ready.status).toBe(503);
    expect(await attempts).toBeLessThan(50);
  }
  expect(load.sent.slice(before).some(({ answer }) => answer.status === 503)).toBe(true);
  expectQuick(load, knownAtMs);
}

/** Once the outage is known no delivery waits until its own deadline; one delivery a second finds out how things are. */
function expectQuick(load: Load, sinceMs: number): void {
  const answers = load.sent.filter((one) => one.sentAtMs >= sinceMs).map(({ answer }) => answer.ms);
  expect(answers.length).toBeGreaterThan(5);
  expect(Math.max(...answers)).toBeLessThan(3_500);
}

async function expectBack({ server, load }: Scene): Promise<void> {
  const backAtMs = Date.now();
  await waitFor(() => load.sent.some((one) => isSettled(one) && one.sentAtMs >= backAtMs), {
    deadlineMs: 5_000,
    what: "200s after the database's return",
  });
  // One answer is not yet a service that works.
  await waitFor(() => load.sent.slice(-8).every(isSettled), { deadlineMs: 3_000, what: "200s throughout" });
  expect((await server.get("/readyz")).body).toContain('"ready":true');
}

for (const mode of ["refuse", "hang-up"] as const) {
  test.concurrent(
    `the link to the database ${mode === "refuse" ? "refused" : "hung up during start-up"}: 503 at once, 200 within 5 s of its return`,
    () =>
      withScene(async (scene) => {
        await scene.proxy.setMode(mode);
        scene.proxy.cutAll();
        await expectAway(scene, 4_000, 1_000);
        await scene.proxy.setMode("pass");
        await expectBack(scene);
      }),
    testDeadlineMs,
  );
}

for (const [what, mode] of [
  ["the link hung", "hang"],
  ["Neon's proxy refused every connection (XX000)", { answer: neonWaking }],
] as const) {
  test.concurrent(
    `${what}: every answer within 10 s, 200 within 5 s of its return`,
    () =>
      withScene(async (scene) => {
        await scene.proxy.setMode(mode);
        if (mode !== "hang") scene.proxy.cutAll();
        await expectAway(scene, 12_000, 8_000);
        await scene.proxy.setMode("pass");
        await expectBack(scene);
      }),
    testDeadlineMs,
  );
}

test.concurrent(
  "a database that takes 30 s for each answer: every answer within 10 s, 200 within 5 s of its recovery",
  () =>
    withScene(async (scene) => {
      scene.proxy.setDelayMs(60_000);
      await expectAway(scene, 12_000, 8_000);
      scene.proxy.setDelayMs(0);
      await expectBack(scene);
    }),
  testDeadlineMs,
);

test.concurrent(
  "every connection cut again and again under load: no answer but 200 or 503, and nothing lost",
  () =>
    withScene(async (scene) => {
      for (let round = 0; round < 10; round += 1) {
        scene.proxy.cutAll();
        await Bun.sleep(300);
      }
      await expectBack(scene);
    }),
  testDeadlineMs,
);

for (const [what, statement] of [
  ["the writers' lock", `select pg_advisory_xact_lock(${writerLock})`],
  ["a user's row", "select from users for update"],
] as const) {
  test.concurrent(
    `another program's transaction that holds ${what}: every answer within 10 s, 200 soon after its end`,
    () =>
      withScene(async (scene) => {
        await scene.db.sql.begin(async (tx) => {
          await tx.unsafe(statement);
          await Bun.sleep(10_000);
          expect((await scene.server.get("/healthz")).status).toBe(200);
        });
        await expectBack(scene);
      }),
    testDeadlineMs,
  );
}

test.concurrent(
  "an unreachable database does not stop the boot: alive, not ready, 503, and 200 within 5 s of its return",
  async () => {
    const db = await openTestDatabase();
    const proxy = await openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port) });
    await proxy.setMode("refuse");
    const server = await startServerProcess({ databaseUrl: proxy.urlFor(db.url) });
    const load = startLoad(() => server, { senders: 2, pauseMs: 10 });
    try {
      await expectAway({ db, proxy, server, load }, 2_000, 1_000);
      await proxy.setMode("pass");
      await expectBack({ db, proxy, server, load });
    } finally {
      await load.stop();
      await server.close();
      await proxy.close();
      await db.close();
    }
  },
  testDeadlineMs,
);

test.concurrent(
  "many replicas waiting for the writers' lock time out and leave no session behind",
  () =>
    withScene(async ({ db, proxy }) => {
      const other = await startServerProcess({ databaseUrl: proxy.urlFor(db.url) });
      const more = startLoad(() => other, { senders: 8, pauseMs: 10 });
      try {
        await db.sql.begin(async (tx) => {
          await tx`select pg_advisory_xact_lock(${writerLock})`;
          await Bun.sleep(6_000);
          // As long as the lock's own timeout and no longer: those whose callers gave up are gone, not piled up.
          expect(await findLongestWaitSeconds(db.sql)).toBeLessThan(3.5);
        });
        await waitFor(() => more.sent.slice(-8).every(isSettled), { deadlineMs: 6_000, what: "200s of the other" });
      } finally {
        await more.stop();
        await other.close();
      }
      expectAnswered(more.sent);
      const isQuiet = async () => (await findLongestWaitSeconds(db.sql)) === 0;
      await waitFor(isQuiet, { deadlineMs: 5_000, what: "no session to wait" });
    }),
  testDeadlineMs,
);
