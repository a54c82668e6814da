import { expect, test } from "bun:test";
import postgres from "postgres";
import { openEmbeddedPostgres } from "../../src/dev/postgres/embeddedPostgres.ts";
import { silentLog } from "../../src/log.ts";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { expectAnswered, expectKept, startLoad } from "../support/load.ts";
import { openTcpProxy } from "../support/proxy.ts";
import { startServerProcess, waitFor, type TimedAnswer } from "../support/serverProcess.ts";
import { openTestDatabase, testServerUrl } from "../support/testDatabase.ts";

const testDeadlineMs = 60_000;
const isSettled = ({ answer }: { answer: TimedAnswer }) => answer.status === 200;

test.concurrent(
  "kill -9 of Postgres under load, twice: 503 meanwhile, 200 within 5 s of its return, and no 200 is lost",
  async () => {
    const database = await openEmbeddedPostgres({ persistent: false, log: silentLog, durable: true });
    await migrateDatabase({ migrationDsn: parseDsn(database.url) });
    // A default of the team's that loses the last commits of a crash.
    const admin = postgres(database.url, { max: 1 });
    await admin`alter database postgres set synchronous_commit = off`;
    await admin.end();
    const server = await startServerProcess({ databaseUrl: database.url });
    const load = startLoad(() => server, { senders: 8 });
    try {
      for (const awayMs of [200, 2_000]) {
        await waitFor(() => load.sent.slice(-20).filter(isSettled).length === 20, { deadlineMs: 10_000, what: "load" });
        await database.kill();
        await Bun.sleep(awayMs);
        expect((await server.get("/healthz")).status).toBe(200);
        await database.restart();
        const backAtMs = Date.now();
        await waitFor(() => load.sent.some((one) => isSettled(one) && one.sentAtMs >= backAtMs), {
          deadlineMs: 5_000,
          what: "200s after the return",
        });
      }
      await load.stop();
      expectAnswered(load.sent);
      // Once more, so that nothing counts but what reached the disk.
      await database.kill();
      await database.restart();
      const sql = postgres(database.url, { max: 1 });
      await expectKept(sql, load.sent);
      await sql.end();
    } finally {
      await load.stop();
      await server.close();
      await database.stop();
    }
  },
  testDeadlineMs,
);

test.concurrent(
  "kill -9 of the server under load: no 200 is lost, and what was cut off is there whole or not at all",
  async () => {
    const db = await openTestDatabase();
    let server = await startServerProcess({ databaseUrl: db.url });
    const load = startLoad(() => server, { senders: 8 });
    try {
      for (let round = 0; round < 3; round += 1) {
        await waitFor(() => load.sent.slice(-20).filter(isSettled).length === 20, { deadlineMs: 10_000, what: "load" });
        server.signal("SIGKILL");
        await server.ended;
        server = await startServerProcess({ databaseUrl: db.url });
      }
      await load.stop();
      await expectKept(db.sql, load.sent);
      expect(load.sent.filter(({ answer }) => answer.status === 0).length).toBeGreaterThan(0);
      // A delivery, its effect and its place in the figures are one: whatever was under way is there whole or not at all.
      const [sums] = await db.sql`
        select (select count(*)::int from webhook_events) as ledger,
               (select sum(events)::int from (
                  select outcome, events from event_counters where hour = '-infinity'
                  union all select outcome, events from event_counters_recent
                ) c where outcome <> 'duplicate') as figures,
               (select count(distinct clerk_id)::int from webhook_events) as heard, (select count(*)::int from users) as users`;
      expect([sums?.["figures"], sums?.["users"]]).toEqual([sums?.["ledger"], sums?.["heard"]]);
    } finally {
      await load.stop();
      await server.close();
      await db.close();
    }
  },
  testDeadlineMs,
);

test.concurrent(
  "SIGTERM with the database hung: what is in flight is answered 503, exit 0 within 10 s",
  async () => {
    const db = await openTestDatabase();
    const proxy = await openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port) });
    const server = await startServerProcess({ databaseUrl: proxy.urlFor(db.url) });
    try {
      const warm = startLoad(() => server, { senders: 1 });
      await waitFor(() => warm.sent.some(isSettled), { deadlineMs: 5_000, what: "a first 200" });
      await warm.stop();
      await proxy.setMode("hang");
      const load = startLoad(() => server, { senders: 5 });
      await Bun.sleep(300);
      const signalledAtMs = Date.now();
      server.signal("SIGTERM");
      expect(await server.ended).toBe(0);
      expect(Date.now() - signalledAtMs).toBeLessThan(10_000);
      await load.stop();
      const inFlight = load.sent.filter((one) => one.sentAtMs < signalledAtMs - 100);
      expect(inFlight.length).toBeGreaterThanOrEqual(5);
      expectAnswered(inFlight);
    } finally {
      await server.close();
      await proxy.close();
      await db.close();
    }
  },
  testDeadlineMs,
);

test.concurrent(
  "SIGTERM under load: what is in flight is answered 200 and kept, exit 0 within 10 s",
  async () => {
    const db = await openTestDatabase();
    const proxy = await openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port) });
    const server = await startServerProcess({ databaseUrl: proxy.urlFor(db.url) });
    const check = postgres(db.url, { max: 1 });
    try {
      const load = startLoad(() => server, { senders: 20 });
      await waitFor(() => load.sent.filter(isSettled).length > 40, { deadlineMs: 15_000, what: "load" });
      // Longer than the server lingers, shorter than a call's deadline.
      proxy.setDelayMs(1_500);
      await Bun.sleep(500);
      const signalledAtMs = Date.now();
      server.signal("SIGTERM");
      expect(await server.ended).toBe(0);
      expect(Date.now() - signalledAtMs).toBeLessThan(10_000);
      await load.stop();
      const inFlight = load.sent.filter(
        (one) => one.sentAtMs < signalledAtMs - 100 && one.sentAtMs + one.answer.ms > signalledAtMs,
      );
      expect(inFlight.length).toBeGreaterThan(0);
      expect(new Set(inFlight.map((one) => one.answer.status))).toEqual(new Set([200]));
      await expectKept(check, load.sent);
    } finally {
      await check.end();
      await server.close();
      await proxy.close();
      await db.close();
    }
  },
  testDeadlineMs,
);
