import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { SyncObserver } from "../domain/observer.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { UserChange } from "../domain/userChange.ts";
import type { Log } from "../log.ts";
import { toBatchItem } from "../store/users/batchItem.ts";
import type { UserWriter } from "../store/users/userWriter.ts";
import type { Database } from "../store/connection/database.ts";
import { isLocked, isRefusal } from "../store/connection/pgErrors.ts";
import { findRefusedBy, locked, refused } from "../store/connection/refusal.ts";
import type { BatchPace } from "./batchPace.ts";
import { bisect } from "./bisect.ts";
import { createCommitBatch, type PreparedChange } from "./commitBatch.ts";

/** After so long the search for the one change that meets a lock ends: what is not applied by then comes again. */
const lockSearchMsMax = 500;
/** How long a lock is waited for during the search: the first call has waited long enough. */
const lockSearchWaitMs = 5;

export type ApplyBatch = (items: readonly PreparedChange[]) => Promise<(Outcome | Error)[]>;

/**
 * One batch to its end: a transient failure is tried once more; where a rule of the database refuses a row the batch is
 * halved until that row stands alone, and, failing twice, is then kept in the ledger while the others go through. A change
 * whose rows another program has locked is `unavailable` alone.
 */
export function createApplyBatch(deps: {
  database: Pick<Database, "run" | "state">;
  writer: Pick<UserWriter, "apply">;
  pace: BatchPace;
  log: Log;
  observer?: SyncObserver | undefined;
  clock: Clock;
}): ApplyBatch {
  const commitBatch = createCommitBatch(deps);

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
    const lockSearchEndsAtMs = deps.clock.monotonicMs() + lockSearchMsMax;
    let isSearching = false;
    return bisect<PreparedChange, Outcome | Error>(items, {
      commit: async (part) => {
        try {
          return await commitBatch(part, { lockWaitMs: isSearching ? lockSearchWaitMs : undefined });
        } catch (error) {
          const isSearchOver = part.length === 1 || deps.clock.monotonicMs() > lockSearchEndsAtMs;
          if (isLocked(error) && isSearchOver) return part.map(() => locked(error));
          isSearching ||= isLocked(error);
          throw error;
        }
      },
      isItemAtFault: (error) => isRefusal(error) || isLocked(error),
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
