import { expect, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { createBatchWatch } from "../../src/service/batchWatch.ts";
import { createTestClock } from "../support/testClock.ts";

/** A watch whose database always names the same holder and cancels it at the second look. */
function openWatch({ queue = 0 }: { queue?: number } = {}) {
  const clock = createTestClock();
  const looks: { atMs: number; seen: string | null; has_waiters: boolean }[] = [];
  const database = {
    callFunction: (_: string, argument: string) => {
      const look = JSON.parse(argument) as { seen: string | null; has_waiters: boolean };
      looks.push({ atMs: clock.monotonicMs(), ...look });
      return Promise.resolve({ holder: "3/7", is_cancelled: look.seen === "3/7" });
    },
  };
  return { clock, looks, watch: createBatchWatch({ database, hasQueue: () => queue > 0, log: silentLog, clock }) };
}

test("a batch that ends in the expected time costs no statement", async () => {
  const { clock, looks, watch } = openWatch();
  const ended = watch.started({ workMs: 30, hasMates: false });
  await clock.advance(129);
  ended(28);
  await clock.advance(10_000);
  expect(looks).toEqual([]);
  expect(clock.timers()).toBe(0);
});

test.each([
  ["nothing else waits", {}, false, false],
  ["changes are queued", { queue: 1 }, false, true],
  ["other parts of its batch wait", {}, true, true],
])(
  "a batch 100 ms late is looked at every 250 ms, with what was seen before, when %s",
  async (_, q, hasMates, waits) => {
    const { clock, looks, watch } = openWatch(q);
    const ended = watch.started({ workMs: 30, hasMates });
    await clock.advance(500);
    ended();
    await clock.advance(10_000);
    expect(looks).toEqual([
      { atMs: 130, seen: null, has_waiters: waits },
      { atMs: 380, seen: "3/7", has_waiters: waits },
    ]);
  },
);

test("after three cancelled batches in a row none is looked at until one is committed quickly", async () => {
  const { clock, looks, watch } = openWatch();
  const runBatch = async (writerMs?: number) => {
    const ended = watch.started({ workMs: 0, hasMates: true });
    await clock.advance(400);
    ended(writerMs);
  };
  for (let n = 0; n < 3; n += 1) await runBatch();
  expect(looks).toHaveLength(6);
  await runBatch(1_000);
  await runBatch(249);
  expect(looks).toHaveLength(6);
  await runBatch();
  expect(looks).toHaveLength(8);
});

test("a database that does not answer the look costs the batch nothing", async () => {
  const clock = createTestClock();
  let looks = 0;
  const database = { callFunction: () => Promise.reject(new Error(`look ${(looks += 1)}`)) };
  const watch = createBatchWatch({ database, hasQueue: () => false, log: silentLog, clock });
  const ended = watch.started({ workMs: 0, hasMates: false });
  await clock.advance(400);
  ended();
  expect(looks).toBe(2);
});
