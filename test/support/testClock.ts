import type { Clock } from "../../src/clock.ts";

export interface TestClock extends Clock {
  /** Moves the time on and calls every timer that becomes due, in order, also those set meanwhile. */
  readonly advance: (ms: number) => Promise<void>;
  /** Timers that wait to become due. */
  readonly timers: () => number;
}

/** A clock that moves only by `advance`. */
export function createTestClock(startMs = Date.now()): TestClock {
  let nowMs = startMs;
  let timers: { readonly dueAtMs: number; readonly action: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs - startMs,
    setTimer: (ms, action) => {
      const timer = { dueAtMs: nowMs + Math.max(0, ms), action };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    timers: () => timers.length,
    advance: async (ms) => {
      const endMs = nowMs + ms;
      for (;;) {
        await runPromises();
        const due = timers.filter(({ dueAtMs }) => dueAtMs <= endMs).sort((a, b) => a.dueAtMs - b.dueAtMs)[0];
        if (due === undefined) break;
        timers = timers.filter((other) => other !== due);
        nowMs = due.dueAtMs;
        due.action();
      }
      nowMs = endMs;
    },
  };
}

/** Runs everything that waits for promises alone. */
async function runPromises(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise((done) => setImmediate(done));
}
