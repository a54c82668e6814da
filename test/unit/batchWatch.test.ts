import { expect, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { createBatchWatch } from "../../src/service/batchWatch.ts";
import { createTestClock } from "../support/testClock.ts";

/** A watch whose database names a new holder every second and cancels one that was seen before. */
function openWatch({ queue = 0 }: { queue?: number } = {}) {
  const clock = createTestClock();
  const findHolder = () => `3/${Math.floor(clock.monotonicMs() / 1_000)}`;
  const looks: { atMs: number; seen: string | null; has_waiters: boolean }[] = [];
  const database = {
    callFunction: (_: string, argument: string) => {
      const look = JSON.parse(argument) as { seen: string | null; has_waiters: boolean };
      looks.push({ atMs: clock.monotonicMs(), ...look });
      return Promise.resolve({ holder: findHolder(), is_cancelled: look.seen === findHolder() });
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
      { atMs: 380, seen: "3/0", has_waiters: waits },
    ]);
  },
);

test("the same batch is not cancelled twice, because the second cancel could reach the next one", async () => {
  const { clock, looks, watch } = openWatch();
  watch.started({ workMs: 0, hasMates: true });
  await clock.advance(700);
  expect(looks.map(({ seen }) => seen)).toEqual([null, "3/0", null]);
});

test("after three cancelled batches none is looked at, unless one was committed quickly in the last 10 s", async () => {
  const { clock, looks, watch } = openWatch();
  const countLooks = async (writerMs?: number) => {
    const before = looks.length;
    const ended = watch.started({ workMs: 0, hasMates: true });
    await clock.advance(500);
    ended(writerMs);
    await clock.advance(500);
    return looks.length - before;
  };
  const counts = [];
  for (const writerMs of [undefined, undefined, undefined, 1_000, 249]) counts.push(await countLooks(writerMs));
  expect(counts).toEqual([2, 2, 2, 0, 0]);
  for (let n = 0; n < 9; n += 1) expect(await countLooks()).toBe(2);
  await clock.advance(1_000);
  expect(await countLooks()).toBe(0);
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
