import { expect, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { startScheduler } from "../../src/service/runs/scheduler.ts";
import { createTestClock } from "../support/testClock.ts";

const dayMs = 86_400_000;
const inUse = { idleMs: () => 0 };

test("the schedule does not use the database between its due times", async () => {
  const calls: string[] = [];
  const runs = {
    findSleepMs: () => Promise.resolve(0),
    takeOver: () => Promise.resolve(void calls.push("takeOver")),
    startScheduled: () => Promise.resolve({ dueInMs: (calls.push("start"), 400) }),
  };
  const retention = { sweep: () => Promise.resolve(calls.push("sweep")) };
  const clock = createTestClock();
  const scheduler = startScheduler({
    runs,
    retention,
    database: inUse,
    reconcileEveryMs: 300,
    keepMs: 30 * dayMs,
    hasClerkKey: true,
    log: silentLog,
    clock,
  });
  await clock.advance(299);
  expect(calls).toEqual([]);
  await clock.advance(400);
  expect(calls).toEqual(["takeOver", "start", "sweep"]);
  await clock.advance(1);
  expect(calls.length).toBe(6);
  scheduler.stop();
  await clock.advance(dayMs);
  expect(calls.length).toBe(6);
});

test("after an outage of the database the schedule retries and continues", async () => {
  let fails = true;
  let starts = 0;
  const runs = {
    findSleepMs: () => Promise.resolve(0),
    takeOver: () => (fails ? Promise.reject(new Error("away")) : Promise.resolve()),
    startScheduled: () => Promise.resolve({ dueInMs: ((starts += 1), 100) }),
  };
  const retention = { sweep: () => Promise.resolve(0) };
  const clock = createTestClock();
  const scheduler = startScheduler({
    runs,
    retention,
    database: inUse,
    reconcileEveryMs: 100,
    keepMs: dayMs,
    hasClerkKey: true,
    log: silentLog,
    clock,
  });
  await clock.advance(350);
  expect(starts).toBe(0);
  fails = false;
  await clock.advance(300);
  scheduler.stop();
  expect(starts).toBe(3);
});
