import type { Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { SyncObserver } from "../domain/observer.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { UserChange } from "../domain/userChange.ts";
import type { Log } from "../log.ts";
import { toBatchItem } from "../store/users/batchItem.ts";
import type { UserWriter } from "../store/users/userWriter.ts";
import type { Database } from "../store/connection/database.ts";
import { isBusy, isRefusal, isSlow } from "../store/connection/pgErrors.ts";
import { findRuleName, toBusyError, toRefusedError } from "../store/connection/refusal.ts";
import type { BatchPace } from "./batchPace.ts";
import type { BatchWatch } from "./batchWatch.ts";
import { bisect } from "./bisect.ts";
import { createCommitBatch, type PreparedChange } from "./commitBatch.ts";
import { createSlowUsers, type SlowUsers } from "./slowUsers.ts";

/** Time limit for isolating locked changes; the changes not applied by then are answered 503 and retried by Svix. */
const lockSearchMsMax = 500;
/** Lock wait of each call of that search; the call before it has already waited longer. */
const lockSearchWaitMs = 5;

/** Resolves with one outcome or error per item, in order. */
export type ApplyBatch = (items: readonly PreparedChange[]) => Promise<(Outcome | Error)[]>;

/**
 * Applies a batch: retries a transient failure once, and bisects the batch if a rule of the database refuses a row. The
 * refused change is recorded in the ledger after a second attempt, the others are applied. A change whose row another
 * transaction holds, or that is slow while others wait, fails alone as `unavailable`.
 */
export function createApplyBatch(deps: {
  database: Pick<Database, "run" | "state">;
  writer: Pick<UserWriter, "apply">;
  pace: BatchPace;
  watch: BatchWatch;
  log: Log;
  observer?: SyncObserver | undefined;
  clock: Clock;
}): ApplyBatch {
  const commitBatch = createCommitBatch(deps);
  const slowUsers = createSlowUsers(deps.clock);

  /** Records a refused delivery as a dead event that names the rule. Each retry by Svix is applied like a first delivery. */
  async function recordRefused({ change, replay = false }: PreparedChange, cause: unknown): Promise<Outcome | Error> {
    const { clerkId, delivery } = change;
    const rule = await findRuleName(deps.database, cause);
    deps.log.error(
      { err: cause, clerkId, svixId: delivery?.svixId, rule },
      `[UserService] A rule of the database refused a change; fix the rule or the row in conflict${delivery ? ", Svix retries the change" : ", then re-sync the user"}`,
    );
    if (!delivery || change.kind === "dead" || change.kind === "ignored") return toRefusedError(rule, cause);
    const version = change.kind === "upsert" ? change.version : null;
    const dead: UserChange = {
      kind: "dead",
      source: "webhook",
      clerkId,
      errorCode: "refused",
      refusal: { rule, version },
      delivery,
    };
    const [kept] = await applyBisected([{ change: dead, batchItem: toBatchItem(dead, { replay }) }], (_, error) =>
      Promise.resolve(toUnavailable(error)),
    );
    return kept instanceof Error ? kept : toRefusedError(rule, cause);
  }

  function applyBisected(
    items: readonly PreparedChange[],
    onCulprit: (item: PreparedChange, error: unknown) => Promise<Outcome | Error>,
  ): Promise<(Outcome | Error)[]> {
    const lockSearchEndsAtMs = deps.clock.monotonicMs() + lockSearchMsMax;
    let isLockSearch = false;
    return bisect<PreparedChange, Outcome | Error>(items, {
      commit: async (part) => {
        try {
          return await commitBatch(part, {
            lockWaitMs: isLockSearch ? lockSearchWaitMs : undefined,
            hasMates: items.length > 1,
          });
        } catch (error) {
          if (isSlow(error)) noteSlow(part, slowUsers, deps.log);
          const isOver = !isSlow(error) && deps.clock.monotonicMs() > lockSearchEndsAtMs;
          if (isBusy(error) && (isOver || part.length === 1)) return part.map(() => toBusyError(error));
          isLockSearch ||= isBusy(error) && !isSlow(error);
          throw error;
        }
      },
      isItemAtFault: (error) => isRefusal(error) || isBusy(error),
      // Each further part with the slow change would delay the others as long as the whole batch did.
      isExpensive: isSlow,
      onCulprit,
    });
  }

  function applyAll(items: readonly PreparedChange[]): Promise<(Outcome | Error)[]> {
    // A simultaneous write of another program can fail like a rule that refuses the row, so every change gets a second
    // attempt. In a batch of several changes the bisection makes it.
    if (items.length > 1) return applyBisected(items, recordRefused);
    return applyBisected(
      items,
      async (item) => (await applyBisected([item], recordRefused))[0] ?? new Error("A change had no outcome"),
    );
  }

  return (items) => slowUsers.pass(items, applyAll);
}

/** Of several changes it is not known which one is slow. */
function noteSlow(items: readonly PreparedChange[], slowUsers: SlowUsers, log: Log): void {
  if (items.length > 1) {
    log.info(
      { changes: items.length },
      "[UserService] A batch was cancelled because it kept others waiting; its changes are applied alone",
    );
    return;
  }
  for (const { change } of items) {
    const { clerkId, delivery } = change;
    if (clerkId !== null) slowUsers.cancelled(clerkId);
    log.warn(
      { clerkId, svixId: delivery?.svixId },
      `[UserService] A change was cancelled because it kept others waiting; look for a slow trigger${delivery ? ", Svix retries the change" : ", then re-sync the user"}`,
    );
  }
}

/** The error if the refused event cannot be written to the ledger either; Svix retries the delivery. */
function toUnavailable(cause: unknown): AppError {
  return new AppError("unavailable", "The event cannot be written to the ledger.", { cause, retryAfterSeconds: 60 });
}
