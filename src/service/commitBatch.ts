import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { startSpan, type SyncObserver } from "../domain/observer.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { UserChange } from "../domain/userChange.ts";
import type { Log } from "../log.ts";
import type { BatchItem } from "../store/users/batchItem.ts";
import type { UserWriter } from "../store/users/userWriter.ts";
import type { Database } from "../store/connection/database.ts";
import { isSlow } from "../store/connection/pgErrors.ts";
import { toBusyError } from "../store/connection/refusal.ts";
import { retry } from "../retry.ts";
import type { BatchPace } from "./batchPace.ts";
import type { BatchWatch } from "./batchWatch.ts";

/** A change with its serialised form. */
export interface PreparedChange {
  readonly change: UserChange;
  readonly batchItem: BatchItem;
  /** Whether an operator replays a stored event; the ledger's `attempts` then stays. */
  readonly replay?: boolean | undefined;
}

/** Two attempts fit into the webhook's deadline of 8 s. */
const batchDeadlineMs = 3_500;
/** Pause before the retry: if several connections were cut at once, the pool has noticed all of them by then. */
const retryPauseMs = 20;

/** Options of `CommitBatch`. */
export interface CommitOptions {
  /** See `UserWriter.apply`. */
  readonly lockWaitMs: number | undefined;
  /** Whether changes of another part of the batch wait for the end of this one. */
  readonly hasMates: boolean;
}

/**
 * Commits a batch in one call, with one retry after a transient failure. A change whose row another transaction holds
 * gets an `unavailable` error as its result.
 * @throws what `UserWriter.apply` throws
 */
export type CommitBatch = (items: readonly PreparedChange[], options: CommitOptions) => Promise<(Outcome | Error)[]>;

/** @param deps.pace receives the duration of each commit */
export function createCommitBatch(deps: {
  database: Pick<Database, "state">;
  writer: Pick<UserWriter, "apply">;
  pace: BatchPace;
  watch: BatchWatch;
  log: Log;
  observer?: SyncObserver | undefined;
  clock: Clock;
}): CommitBatch {
  const { pace } = deps;

  async function call(
    items: readonly PreparedChange[],
    { lockWaitMs, hasMates, isRetry }: CommitOptions & { isRetry: boolean },
  ): Promise<(Outcome | Error)[]> {
    const endSpan = startSpan();
    // A retry may wait for the first attempt, which the database is still executing: that is left to succeed.
    const ended = isRetry ? undefined : deps.watch.started({ workMs: pace.findWorkMs(items.length), hasMates });
    let committedMs: number | undefined;
    try {
      const batch = items.map((item) => item.batchItem);
      const { outcomes, writerMs } = await deps.writer.apply(batch, { deadlineMs: batchDeadlineMs, lockWaitMs });
      committedMs = writerMs;
      pace.committed(items.length, writerMs);
      return outcomes.map((outcome) => (outcome === "busy" ? toBusyError() : outcome));
    } catch (error) {
      const isUnavailable = error instanceof AppError && error.code === "unavailable";
      // A failed batch was perhaps too large; not so a single item, or any batch during an outage.
      if (items.length > 1 && (isSlow(error) || (isUnavailable && deps.database.state() === "closed"))) pace.failed();
      throw error;
    } finally {
      ended?.(committedMs);
      deps.observer?.onBatch?.({ ...endSpan(), items: items.length, isCommitted: committedMs !== undefined });
    }
  }

  return (items, options) => {
    let isRetry = false;
    return retry(() => call(items, { ...options, isRetry }), {
      clock: deps.clock,
      findWaitMs: (error, failures) => {
        isRetry = true;
        const isTransient = error instanceof AppError && error.code === "unavailable";
        if (!isTransient || failures > 1 || deps.database.state() === "open") return undefined;
        deps.log.warn({ err: error, changes: items.length }, "[UserService] A batch failed and is retried once");
        return retryPauseMs;
      },
    });
  };
}
