import { expect, test } from "bun:test";
import { repeat, sleep, startDeadline } from "../../src/clock.ts";
import { retry } from "../../src/retry.ts";
import { createTestClock } from "../support/testClock.ts";

const failing = new Error("failing");

/** An attempt that fails so many times and then answers how often it was called. */
function createAttempt(failures: number) {
  let calls = 0;
  const attempt = () => (++calls > failures ? Promise.resolve(calls) : Promise.reject(failing));
  return { attempt, calls: () => calls };
}

test("a failed attempt is retried after the given wait, and not before", async () => {
  const clock = createTestClock();
  const { attempt, calls } = createAttempt(2);
  const result = retry(attempt, { clock, findWaitMs: (_error, failures) => failures * 100 });
  await clock.advance(99);
  expect(calls()).toBe(1);
  await clock.advance(1);
  await clock.advance(199);
  expect(calls()).toBe(2);
  await clock.advance(1);
  expect(await result).toBe(3);
});

test("without a further wait the last error is thrown", async () => {
  const { attempt, calls } = createAttempt(9);
  const findWaitMs = (_error: unknown, failures: number) => (failures < 3 ? 0 : undefined);
  const clock = createTestClock();
  const result = retry(attempt, { clock, findWaitMs }).catch((error: unknown) => error);
  await clock.advance(0);
  expect(await result).toBe(failing);
  expect(calls()).toBe(3);
});

test("an abort ends a wait at once with its reason, and no attempt follows", async () => {
  const clock = createTestClock();
  const stopping = new AbortController();
  const { attempt, calls } = createAttempt(9);
  const options = { clock, signal: stopping.signal, findWaitMs: () => 1_000 };
  const result = retry(attempt, options).catch((error: unknown) => error);
  await clock.advance(10);
  const reason = new Error("stopped");
  stopping.abort(reason);
  expect(await result).toBe(reason);
  expect([calls(), clock.timers()]).toEqual([1, 0]);
  expect(await retry(attempt, options).catch((error: unknown) => error)).toBe(reason);
  expect(await sleep(clock, 5, stopping.signal).catch((error: unknown) => error)).toBe(reason);
  expect([calls(), clock.timers()]).toEqual([1, 0]);
});

test("a repeated action continues until it is stopped; a cancelled deadline never aborts", async () => {
  const clock = createTestClock();
  let ticks = 0;
  const stop = repeat(clock, 100, () => (ticks += 1));
  const deadline = startDeadline(clock, 250);
  const cancelled = startDeadline(clock, 250);
  cancelled.cancel();
  await clock.advance(350);
  expect([ticks, deadline.signal.aborted, cancelled.signal.aborted]).toEqual([3, true, false]);
  stop();
  await clock.advance(1_000);
  expect([ticks, clock.timers()]).toEqual([3, 0]);
});
