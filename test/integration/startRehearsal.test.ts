import { expect, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { startRehearsal } from "../../src/service/startRehearsal.ts";
import { openDatabase, type Database } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { AppError } from "../../src/errors.ts";
import { askReadiness } from "../support/askReadiness.ts";
import { waitFor } from "../support/serverProcess.ts";
import { createTestClock } from "../support/testClock.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest, toClose } from "../support/toClose.ts";

async function openStage({ migrated = true, isAway = false, sql = "", afterMs = undefined as number | undefined }) {
  const db = await openForTest(openTestDatabase({ migrated }));
  await db.sql.unsafe(sql);
  const opened = await openForTest(openDatabase({ dsn: parseDsn(db.url), databasePoolMax: 2 }));
  const state = { isAway, idleMs: 0, tries: 0 };
  const database: Database = {
    ...opened,
    idleMs: () => state.idleMs,
    run: (work, limits) => {
      state.tries += 1;
      return state.isAway
        ? Promise.reject(new AppError("unavailable", "The database cannot be reached."))
        : opened.run(work, limits);
    },
  };
  const clock = createTestClock();
  const rehearsal = startRehearsal({ database, afterMs, log: silentLog, clock });
  toClose.unshift(() => rehearsal.stop());
  const ask = () => askReadiness(opened, rehearsal);
  /** Until the try under way has ended and the next one waits for its time. */
  const settle = () => waitFor(() => clock.timers() > 0, { deadlineMs: 10_000, what: "the next try" });
  const known = () =>
    waitFor(() => rehearsal.findReport() !== undefined, { deadlineMs: 10_000, what: "a rehearsal's end" });
  return { db, state, clock, rehearsal, ask, settle, known };
}

test("a first try that is to wait asks the database nothing before its time", async () => {
  const stage = await openStage({ afterMs: 1_000 });
  await stage.clock.advance(999);
  expect(stage.state.tries).toBe(0);
  await stage.clock.advance(1);
  await stage.known();
  expect(stage.state.tries).toBeGreaterThan(0);
});

test("while the database is unreachable there is no report; after its return the rehearsal runs", async () => {
  const stage = await openStage({ isAway: true });
  await stage.settle();
  expect(await stage.ask()).toMatchObject({ ready: true, checks: { rehearsal: "unknown" } });
  stage.state.isAway = false;
  await stage.clock.advance(5_000);
  await stage.known();
  expect(await stage.ask()).toMatchObject({ ready: true, checks: { rehearsal: "ok" } });
});

test("with pending migrations the rehearsal waits; then it runs exactly once", async () => {
  const stage = await openStage({ migrated: false });
  await stage.settle();
  expect(await stage.ask()).toMatchObject({ ready: false, checks: { migrations: "pending", rehearsal: "unknown" } });
  await migrateDatabase({ migrationDsn: parseDsn(stage.db.url) });
  expect(await stage.ask()).toMatchObject({ ready: true, checks: { migrations: "ok", rehearsal: "unknown" } });
  await stage.clock.advance(5_000);
  await stage.known();
  expect(await stage.ask()).toMatchObject({ ready: true, checks: { rehearsal: "ok" } });
  expect(stage.clock.timers()).toBe(0);
});

test("an obstacle makes the server not ready until it is removed", async () => {
  const stage = await openStage({ sql: "alter table users add constraint named check (name is not null)" });
  await stage.settle();
  expect(await stage.ask()).toMatchObject({
    ready: false,
    checks: { database: "ok", migrations: "ok", rehearsal: "Table users, constraint named (23514)" },
  });
  await stage.db.sql`alter table users drop constraint named`;
  await stage.clock.advance(30_000);
  await waitFor(async () => (await stage.ask()).ready, { deadlineMs: 10_000, what: "the server to be ready" });
});

test("a warning of the rehearsal is among the warnings of readiness, and the server is ready", async () => {
  const stage = await openStage({ sql: "create unique index one_address on users (email)" });
  await stage.known();
  expect(await stage.ask()).toMatchObject({
    ready: true,
    warnings: [expect.stringMatching(/one_address.*applied$/) as string],
  });
});

test("while nothing uses the database the rehearsal backs off, and runs soon once it is used", async () => {
  const stage = await openStage({ isAway: true });
  await stage.settle();
  stage.state.idleMs = 3_600_000;
  const start = stage.state.tries;
  await stage.clock.advance(86_400_000);
  // The pauses are 5 s, 5, 10, 20 and so on, up to 12 hours.
  expect(stage.state.tries - start).toBeLessThanOrEqual(17);
  const before = stage.state.tries;
  await stage.clock.advance(86_400_000);
  expect(stage.state.tries - before).toBeLessThanOrEqual(2);
  stage.state.isAway = false;
  stage.state.idleMs = 0;
  await stage.clock.advance(30_000);
  await stage.known();
});
