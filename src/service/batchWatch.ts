import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";

/** How much longer than expected a batch may take before the first look at what holds the writer's lock. */
const firstLookMs = 100;
/** A batch that still holds the lock this much later is cancelled if others wait. */
const nextLookMs = 250;
const lookDeadlineMs = 3_500;
/** Limit on the batches cancelled if none was quick of late: then every change is slow, and cancelling only delays them. */
const cancelledInARowMax = 3;
const quickMs = 250;
/** How long a quick commit is evidence that not every change is slow. */
const quickForMs = 10_000;

/**
 * Cancels a batch or page, of this process or another one, that keeps others waiting for the writer's lock. The database
 * finds out which one it is, because only there it is known who holds the lock.
 */
export interface BatchWatch {
  /**
   * Call at the start of a batch, and the returned function at its end, with the database time if it was committed.
   * @param options.workMs expected database time of the batch, milliseconds
   * @param options.hasMates see `CommitOptions`
   */
  readonly started: (options: { workMs: number; hasMates: boolean }) => (writerMs?: number) => void;
}

/**
 * Create one per queue.
 * @param deps.hasQueue whether changes wait in this process
 */
export function createBatchWatch(deps: {
  database: Pick<Database, "callFunction">;
  hasQueue: () => boolean;
  log: Log;
  clock: Clock;
}): BatchWatch {
  let isLooking = false;
  let cancelledInARow = 0;
  let lastQuickMs = -Infinity;
  let lastCancelled: string | null = null;

  async function look(seen: string | null, hasMates: boolean): Promise<string | null> {
    const isAllSlow = cancelledInARow >= cancelledInARowMax && deps.clock.monotonicMs() > lastQuickMs + quickForMs;
    if (isLooking || isAllSlow) return seen;
    isLooking = true;
    try {
      // A second cancel for the same batch could reach the next one on that connection.
      const cancellable = seen === lastCancelled ? null : seen;
      const argument = JSON.stringify({ seen: cancellable, has_waiters: hasMates || deps.hasQueue() });
      const answer = await deps.database.callFunction("cancel_slow_batch", argument, { deadlineMs: lookDeadlineMs });
      const { holder, is_cancelled: isCancelled } = answer as { holder: string | null; is_cancelled: boolean };
      if (isCancelled) {
        cancelledInARow += 1;
        lastCancelled = holder;
      }
      return holder;
    } catch (err) {
      deps.log.debug({ err }, "[UserService] What holds the writer's lock is not known");
      return null;
    } finally {
      isLooking = false;
    }
  }

  return {
    started: ({ workMs, hasMates }) => {
      let hasEnded = false;
      let cancel = deps.clock.setTimer(workMs + firstLookMs, () => void lookAgain(null));
      async function lookAgain(seen: string | null): Promise<void> {
        const holder = await look(seen, hasMates);
        if (!hasEnded) cancel = deps.clock.setTimer(nextLookMs, () => void lookAgain(holder));
      }
      return (writerMs = Infinity) => {
        hasEnded = true;
        cancel();
        if (writerMs >= quickMs) return;
        cancelledInARow = 0;
        lastQuickMs = deps.clock.monotonicMs();
      };
    },
  };
}
