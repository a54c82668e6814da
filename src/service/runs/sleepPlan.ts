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

/** When the schedule may leave the database alone: each process knows what it was told, and the last run it finished. */
export interface SleepPlan {
  /**
   * What the database answered; other than to the schedule it tells nothing.
   * @returns to be called with the last cursor of the run that was opened, if it is done
   */
  readonly learnFromOpening: (answer: OpenRunAnswer) => (cursor: RunCursor) => void;
  /**
   * Asks Clerk whether anything has moved since the last finished reconcile.
   * @returns for how many milliseconds at most the database may be left alone; 0: it has to be asked now
   */
  readonly findSleepMs: (clerk: ClerkApi) => Promise<number>;
}

export function createSleepPlan({ database, log, clock }: { database: Database; log: Log; clock: Clock }): SleepPlan {
  let snapshot: string | null = null;
  let fullDueAtMs = 0;

  return {
    learnFromOpening: (answer) => {
      if (answer.fullInMs === undefined) return () => undefined;
      const openedAtMs = clock.nowMs();
      fullDueAtMs = openedAtMs + answer.fullInMs;
      snapshot = answer.snapshot ?? null;
      return (cursor) => {
        snapshot = cursor.snapshot;
        // Only a run that compares every user looks for deletions.
        if (cursor.phase === "deletions") fullDueAtMs = openedAtMs + dayMs;
      };
    },
    findSleepMs: async (clerk) => {
      const sleepMs = fullDueAtMs - clock.nowMs();
      // In use it is awake anyway, and users without a mentorado may be waiting for what was just written.
      if (snapshot === null || sleepMs <= 0 || database.idleMs() < awakeAfterUseMs) return 0;
      try {
        const { text } = await readClerkSnapshot(clerk);
        return text === snapshot ? sleepMs : 0;
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        // A run is opened, so that its record says what is wrong with Clerk.
        log.debug({ err: error }, "[Scheduler] Clerk does not say whether anything has moved");
        return 0;
      }
    },
  };
}
