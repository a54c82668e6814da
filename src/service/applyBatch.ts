import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { startSpan, type SyncObserver } from "../domain/observer.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { UserChange } from "../domain/userChange.ts";
import type { Log } from "../log.ts";
import { toBatchItem, type BatchItem } from "../store/users/userBatch.ts";
import type { UserWriter } from "../store/users/userWriter.ts";
import type { Database } from "../store/connection/database.ts";
import { isRowAtFault } from "../store/connection/pgErrors.ts";
import { retry } from "../retry.ts";
import { bisect } from "./bisect.ts";

/** A change with its place in a batch prepared. */
export interface PreparedChange {
  readonly change: UserChange;
  readonly batchItem: BatchItem;
}

/** Two tries of this length fit into the 8 s that a webhook has. */
const batchDeadlineMs = 3_500;
/** Of several connections that were cut at once each is known to be by then. */
const retryPauseMs = 20;

export type ApplyBatch = (items: readonly PreparedChange[]) => Promise<(Outcome | Error)[]>;

/**
 * One batch to its end: a transient failure is tried once more; where a row is at fault the batch is halved until the
 * culprit stands alone, and, failing twice, is then kept in the ledger as `dead` while the others go through.
 */
export function createApplyBatch(deps: {
  database: Pick<Database, "state">;
  writer: Pick<UserWriter, "apply">;
  log: Log;
  observer?: SyncObserver | undefined;
  clock: Clock;
}): ApplyBatch {
  async function call(items: readonly PreparedChange[]): Promise<Outcome[]> {
    const endSpan = startSpan();
    let isCommitted = false;
    try {
      const batch = items.map((item) => item.batchItem);
      const outcomes = await deps.writer.apply(batch, { deadlineMs: batchDeadlineMs });
      isCommitted = true;
      return outcomes;
    } finally {
      deps.observer?.onBatch?.({ ...endSpan(), items: items.length, isCommitted });
    }
  }

  function callTwice(items: readonly PreparedChange[]): Promise<Outcome[]> {
    return retry(() => call(items), {
      clock: deps.clock,
      findWaitMs: (error, failures) => {
        const isTransient = error instanceof AppError && error.code === "unavailable";
        if (!isTransient || failures > 1 || deps.database.state() === "open") return undefined;
        deps.log.warn({ err: error, changes: items.length }, "[UserService] A batch failed and is tried once more");
        return retryPauseMs;
      },
    });
  }

  /** A culprit as a `dead` event of the ledger, where it is a delivery. */
  async function settleCulprit({ change }: PreparedChange, cause: unknown): Promise<Outcome | Error> {
    const { clerkId, delivery } = change;
    deps.log.error({ err: cause, clerkId, svixId: delivery?.svixId }, "[UserService] A change cannot be stored");
    // A delivery that even the ledger refuses is not answered 2xx, so it is sent again.
    if (!delivery || change.kind === "dead") return new AppError("internal", "This user cannot be stored.", { cause });
    const dead: UserChange = { kind: "dead", source: "webhook", clerkId, errorCode: "apply_failed", delivery };
    const [outcome] = await settle([{ change: dead, batchItem: toBatchItem(dead) }], settleCulprit);
    return outcome ?? new Error("A change had no outcome");
  }

  function settle(
    items: readonly PreparedChange[],
    onCulprit: (item: PreparedChange, error: unknown) => Promise<Outcome | Error>,
  ): Promise<(Outcome | Error)[]> {
    return bisect<PreparedChange, Outcome | Error>(items, {
      commit: callTwice,
      isItemAtFault: isRowAtFault,
      onCulprit,
    });
  }

  return async (items) => {
    // A concurrent write of another program looks just like a bad row; a second call sees that write. A part of a
    // larger batch has had its second call.
    if (items.length > 1) return settle(items, settleCulprit);
    return settle(
      items,
      async (item) => (await settle([item], settleCulprit))[0] ?? new Error("A change had no outcome"),
    );
  };
}
