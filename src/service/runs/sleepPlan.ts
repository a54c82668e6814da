import { readClerkSnapshot } from "../../clerk/clerkSnapshot.ts";
import type { ClerkApi } from "../../clerk/clerkApi.ts";
import type { Clock } from "../../clock.ts";
import type { RunCursor } from "../../domain/runCursor.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { awakeAfterUseMs } from "../../store/connection/inBackground.ts";
import type { Database } from "../../store/connection/database.ts";
import type { OpenRunAnswer } from "../../store/runs/runLease.ts";

const dayMs = 24 * 3_600_000;

/** Decides for how long the schedule need not use the database, so that Neon can suspend it. */
export interface SleepPlan {
  /**
   * Records from an answer of `openRun` when a full reconcile is due, and the Clerk snapshot of the last run.
   * @returns a function to be called with the last cursor of that run once the run is done
   */
  readonly recordOpenRun: (answer: OpenRunAnswer) => (cursor: RunCursor) => void;
  /**
   * Asks Clerk whether anything has changed since the last finished reconcile.
   * @returns milliseconds for which no run is needed; 0: the database has to be asked now
   */
  readonly findSleepMs: (clerk: ClerkApi) => Promise<number>;
}

/** Create one per process. */
export function createSleepPlan({ database, log, clock }: { database: Database; log: Log; clock: Clock }): SleepPlan {
  let snapshot: string | null = null;
  let fullDueAtMs = 0;

  return {
    recordOpenRun: (answer) => {
      if (answer.fullInMs === undefined) return () => undefined;
      const openedAtMs = clock.nowMs();
      fullDueAtMs = openedAtMs + answer.fullInMs;
      snapshot = answer.snapshot ?? null;
      return (cursor) => {
        snapshot = cursor.snapshot;
        // Only a full reconcile has this phase.
        if (cursor.phase === "deletions") fullDueAtMs = openedAtMs + dayMs;
      };
    },
    findSleepMs: async (clerk) => {
      const sleepMs = fullDueAtMs - clock.nowMs();
      // A database in use is awake anyway, and its new rows may let waiting users be linked.
      if (snapshot === null || sleepMs <= 0 || database.idleMs() < awakeAfterUseMs) return 0;
      try {
        const { text } = await readClerkSnapshot(clerk);
        return text === snapshot ? sleepMs : 0;
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        // 0 makes the caller open the run, whose record then shows the error.
        log.debug({ err: error }, "[Scheduler] Clerk's changes are unknown; the reconcile runs");
        return 0;
      }
    },
  };
}
