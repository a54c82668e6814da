import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { startSpan, type SyncObserver } from "../domain/observer.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { UserChange } from "../domain/userChange.ts";
import type { Log } from "../log.ts";
import type { BatchItem } from "../store/users/batchItem.ts";
import type { UserWriter } from "../store/users/userWriter.ts";
import type { Database } from "../store/connection/database.ts";
import { locked } from "../store/connection/refusal.ts";
import { retry } from "../retry.ts";
import type { BatchPace } from "./batchPace.ts";

/** A change with its place in a batch prepared. */
export interface PreparedChange {
  readonly change: UserChange;
  readonly batchItem: BatchItem;
  /** An operator's: no attempt of the sender. */
  readonly replay?: boolean | undefined;
}

/** Two tries of this length fit into the 8 s that a webhook has. */
const batchDeadlineMs = 3_500;
/** Of several connections that were cut at once each is known to be by then. */
const retryPauseMs = 20;

/**
 * Commits a batch as it stands; a transient failure is tried once more. A change that meets a lock of another program is
 * an `unavailable` in its place.
 * @param options.lockWaitMs see `UserWriter.apply`
 * @throws what `UserWriter.apply` throws
 */
export type CommitBatch = (
  items: readonly PreparedChange[],
  options: { lockWaitMs: number | undefined },
) => Promise<(Outcome | Error)[]>;

export function createCommitBatch(deps: {
  database: Pick<Database, "state">;
  writer: Pick<UserWriter, "apply">;
  /** Told what each commit took. */
  pace: BatchPace;
  log: Log;
  observer?: SyncObserver | undefined;
  clock: Clock;
}): CommitBatch {
  const { pace } = deps;

  async function call(items: readonly PreparedChange[], lockWaitMs: number | undefined): Promise<(Outcome | Error)[]> {
    const endSpan = startSpan();
    let isCommitted = false;
    try {
      const batch = items.map((item) => item.batchItem);
      const { outcomes, writerMs } = await deps.writer.apply(batch, { deadlineMs: batchDeadlineMs, lockWaitMs });
      isCommitted = true;
      pace.committed(items.length, writerMs);
      return outcomes.map((outcome) => (outcome === "busy" ? locked() : outcome));
    } catch (error) {
      const isUnavailable = error instanceof AppError && error.code === "unavailable";
      // One item alone is never too many, and a database that is known to be away says nothing about the pace.
      if (items.length > 1 && isUnavailable && deps.database.state() === "closed") pace.failed();
      throw error;
    } finally {
      deps.observer?.onBatch?.({ ...endSpan(), items: items.length, isCommitted });
    }
  }

  return (items, { lockWaitMs }) =>
    retry(() => call(items, lockWaitMs), {
      clock: deps.clock,
      findWaitMs: (error, failures) => {
        const isTransient = error instanceof AppError && error.code === "unavailable";
        if (!isTransient || failures > 1 || deps.database.state() === "open") return undefined;
        deps.log.warn({ err: error, changes: items.length }, "[UserService] A batch failed and is tried once more");
        return retryPauseMs;
      },
    });
}
