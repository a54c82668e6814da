import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { startSpan, type SyncObserver } from "../domain/observer.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { UserChange } from "../domain/userChange.ts";
import type { Log } from "../log.ts";
import { toBatchItem, type BatchItem } from "../store/users/batchItem.ts";
import type { UserWriter } from "../store/users/userWriter.ts";
import type { Database } from "../store/connection/database.ts";
import { isRefusal } from "../store/connection/pgErrors.ts";
import { findRefusedBy, refused } from "../store/connection/refusal.ts";
import { retry } from "../retry.ts";
import { bisect } from "./bisect.ts";

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

export type ApplyBatch = (items: readonly PreparedChange[]) => Promise<(Outcome | Error)[]>;

/**
 * One batch to its end: a transient failure is tried once more; where a rule of the database refuses a row the batch is
 * halved until that row stands alone, and, failing twice, is then kept in the ledger while the others go through.
 */
export function createApplyBatch(deps: {
  database: Pick<Database, "run" | "state">;
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

  /**
   * What a rule of the database refused becomes a dead event that names the rule, where it is a delivery. It is sent
   * again, and tried anew: what refuses it today may be gone tomorrow.
   */
  async function settleRefused({ change, replay = false }: PreparedChange, cause: unknown): Promise<Outcome | Error> {
    const { clerkId, delivery } = change;
    const rule = await findRefusedBy(deps.database, cause);
    deps.log.error(
      { err: cause, clerkId, svixId: delivery?.svixId, rule },
      "[UserService] A rule of the database refuses a change; see the rule, the change is tried anew",
    );
    if (!delivery || change.kind === "dead" || change.kind === "ignored") return refused(rule, cause);
    const version = change.kind === "upsert" ? change.version : null;
    const dead: UserChange = {
      kind: "dead",
      source: "webhook",
      clerkId,
      errorCode: "refused",
      refusal: { rule, version },
      delivery,
    };
    const [kept] = await settle([{ change: dead, batchItem: toBatchItem(dead, { replay }) }], (_, error) =>
      Promise.resolve(toUnavailable(error)),
    );
    return kept instanceof Error ? kept : refused(rule, cause);
  }

  function settle(
    items: readonly PreparedChange[],
    onCulprit: (item: PreparedChange, error: unknown) => Promise<Outcome | Error>,
  ): Promise<(Outcome | Error)[]> {
    return bisect<PreparedChange, Outcome | Error>(items, {
      commit: callTwice,
      isItemAtFault: isRefusal,
      onCulprit,
    });
  }

  return async (items) => {
    // A concurrent write of another program looks just like a bad row; a second call sees that write. A part of a
    // larger batch has had its second call.
    if (items.length > 1) return settle(items, settleRefused);
    return settle(
      items,
      async (item) => (await settle([item], settleRefused))[0] ?? new Error("A change had no outcome"),
    );
  };
}

/** A delivery that even the ledger refuses is not answered 2xx, so it is sent again. */
function toUnavailable(cause: unknown): AppError {
  return new AppError("unavailable", "The ledger cannot be written.", { cause, retryAfterSeconds: 60 });
}
