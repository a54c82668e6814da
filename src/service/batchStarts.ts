import type { Clock } from "../clock.ts";

/**
 * A batch starts early by this share of the expected time of the batch before it: Postgres parses its texts while it
 * waits for the writer's lock, and an estimate that is slightly too long does not leave the writer idle.
 */
const leadShare = 0.25;
/** Weight of the earlier round trips in the moving average. */
const decay = 0.5;

/** Decides when a batch may start while others are in flight, so that it arrives shortly before the writer is free. */
export interface BatchStarts {
  /** Milliseconds until the next batch may start; 0 or less: now. */
  readonly findWaitMs: () => number;
  /**
   * Call at the start of a batch, and the returned function at its end.
   * @param workMs expected database time of the batch
   */
  readonly started: (workMs: number) => () => void;
}

/** Create one per queue. */
export function createBatchStarts(clock: Clock): BatchStarts {
  const inFlight = new Set<{ readonly startedMs: number; readonly workMs: number }>();
  /** Moving average of the time of a commit without the database time of its batch. */
  let roundTripMs = 0;
  let lastEndMs = 0;
  return {
    findWaitMs: () => {
      let endMs = lastEndMs;
      let leadMs = 0;
      for (const { startedMs, workMs } of inFlight) {
        endMs = Math.max(endMs, startedMs + roundTripMs) + workMs;
        leadMs = workMs * leadShare;
      }
      return endMs - roundTripMs - leadMs - clock.monotonicMs();
    },
    started: (workMs) => {
      const isAlone = inFlight.size === 0;
      const batch = { startedMs: clock.monotonicMs(), workMs };
      inFlight.add(batch);
      return () => {
        inFlight.delete(batch);
        lastEndMs = clock.monotonicMs();
        const restMs = Math.max(0, lastEndMs - batch.startedMs - workMs);
        // A batch that started behind another has also waited for the writer's lock, so `restMs` is an upper limit.
        roundTripMs = isAlone ? roundTripMs * decay + restMs * (1 - decay) : Math.min(roundTripMs, restMs);
      };
    },
  };
}
