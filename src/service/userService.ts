import { requireClerk, type ClerkApi } from "../clerk/clerkApi.ts";
import { withDeadline } from "../clerk/withDeadline.ts";
import { systemClock, type Clock } from "../clock.ts";
import type { SyncObserver } from "../domain/observer.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { UserChange } from "../domain/userChange.ts";
import type { UserStatus } from "../domain/userStatus.ts";
import type { Log } from "../log.ts";
import { toBatchItem } from "../store/users/batchItem.ts";
import type { UserWriter } from "../store/users/userWriter.ts";
import type { Database } from "../store/connection/database.ts";
import { findErasureReport, type ErasureReport } from "../store/users/erasureReport.ts";
import { findUserStatus } from "../store/users/userStatus.ts";
import { withRefusals } from "../store/connection/refusal.ts";
import { createApplyBatch } from "./applyBatch.ts";
import type { PreparedChange } from "./commitBatch.ts";
import { createBatchPace } from "./batchPace.ts";
import { createGroupCommit } from "./groupCommit.ts";
import type { InstanceCheck } from "./instanceCheck.ts";
import { resyncUser, type ResyncResult } from "./resyncUser.ts";

// A batch of 500 takes some 30 ms of the one writer's time: large enough to be worth its round trip, short enough
// that no later change waits long.
const batchItemsMax = 500;
/** UTF-16 units of JSON text in a batch. One delivery may have 2 MiB (payload and user), and goes alone then. */
const batchSizeMax = 4 * 1024 * 1024;
/** A second or two of the highest throughput measured; more would be answered too late anyway. */
const queueItemsMax = 5_000;
/** Bounds the memory of the queue when deliveries are large. */
const queueSizeMax = 64 * 1024 * 1024;
// Measured with 64 deliveries at once: one batch at a time beside the database (some 15 % more deliveries),
// a batch every 5 ms at 20 ms from it (+40 %), each against two under way.
const batchesInFlightMax = 5;
const nearMs = 15;
const headwayMs = 5;
/** Under Bun's idle timeout, Svix's 15 s and the 10 s promised. */
const defaultDeadlineMs = 8_000;

export interface UserServiceDeps {
  readonly database: Database;
  readonly writer: UserWriter;
  /** Null: there is no `CLERK_SECRET_KEY`. */
  readonly clerk: ClerkApi | null;
  readonly log: Log;
  readonly instanceCheck: InstanceCheck;
  readonly observer?: SyncObserver | undefined;
  readonly clock?: Clock | undefined;
}

export interface ApplyOptions {
  /** Milliseconds from now after which a waiting change fails. */
  readonly deadlineMs?: number;
  /** Settle a delivery anew that the ledger holds as `dead` or `ignored`. */
  readonly replay?: boolean;
  /** Of the HTTP request behind the change, for the log. */
  readonly requestId?: string | undefined;
}

/** The one place where what is learned from Clerk becomes rows. Webhooks, tRPC and the command line share it. */
export interface UserService {
  /**
   * Commits the change, in a batch with others that arrive at the time, and answers its outcome after the commit.
   * @throws AppError `unavailable` when the database is away, too slow or the queue is full; `refused` if a rule of the
   * database is in the way
   */
  readonly applyChange: (change: UserChange, options?: ApplyOptions) => Promise<Outcome>;
  /** What is known here of a user; never asks Clerk. */
  readonly getUser: (clerkId: string) => Promise<UserStatus>;
  /** Where something of a user is stored, and whether all that is personal has been erased; reads the whole ledger. */
  readonly getErasureReport: (clerkId: string) => Promise<ErasureReport>;
  /**
   * Brings one user in step with what Clerk says now.
   * @throws AppError `not_found` if neither Clerk nor the database knows the user; `refused` by a rule of the database; what `ClerkApi` and `InstanceCheck`
   * throw
   */
  readonly resync: (input: {
    clerkId: string;
    dryRun?: boolean | undefined;
    requestId?: string | undefined;
  }) => Promise<ResyncResult>;
  /** Changes waiting for a batch. */
  readonly queueItems: () => number;
}

export function createUserService(deps: UserServiceDeps): UserService {
  const { database, writer, clerk, instanceCheck, log, clock = systemClock } = deps;
  const pace = createBatchPace();
  const commits = createGroupCommit<PreparedChange, Outcome>({
    clock,
    flush: createApplyBatch({ ...deps, pace, clock }),
    keysOf: ({ batchItem }) => [
      ...(batchItem.clerkId === null ? [] : [batchItem.clerkId]),
      ...(batchItem.svixId === null ? [] : [`svix:${batchItem.svixId}`]),
    ],
    sizeOf: ({ batchItem }) => batchItem.size,
    batchItemsMax,
    itemsInFlightMax: pace.itemsMax,
    batchSizeMax,
    queueItemsMax,
    queueSizeMax,
    batchesInFlightMax,
    nearMs,
    headwayMs,
  });

  async function applyChange(change: UserChange, options: ApplyOptions = {}): Promise<Outcome> {
    const deadlineAtMs = clock.nowMs() + (options.deadlineMs ?? defaultDeadlineMs);
    const outcome = await commits.submit(
      { change, batchItem: toBatchItem(change, options), replay: options.replay },
      deadlineAtMs,
    );
    logOutcome(log, { change, outcome, requestId: options.requestId });
    return outcome;
  }

  return {
    applyChange,
    getUser: (clerkId) => findUserStatus(database, clerkId),
    getErasureReport: (clerkId) => findErasureReport(database, clerkId),
    resync: async ({ clerkId, dryRun = false, requestId }) =>
      resyncUser({
        clerkId,
        dryRun,
        clerk: withDeadline(requireClerk(clerk), clock),
        instanceCheck,
        requestedAtMs: clock.nowMs(),
        findStatus: (id) => findUserStatus(database, id),
        report: async (change) => {
          const report = await withRefusals(database, () => writer.applyAndReport({ change, dryRun }));
          if (!dryRun) logOutcome(log, { change, outcome: report.outcome, requestId });
          return report;
        },
      }),
    queueItems: commits.queueItems,
  };
}

/** Bulk work says what it did in its run; everything else in a line per change. Ids only. */
function logOutcome(
  log: Log,
  { change, outcome, requestId }: { change: UserChange; outcome: Outcome; requestId: string | undefined },
): void {
  const { clerkId, source } = change;
  const fields = { requestId, clerkId, outcome, source, svixId: change.delivery?.svixId };
  const level = source === "backfill" || source === "reconcile" ? "debug" : "info";
  if (outcome === "dead") log.warn(fields, "[UserService] Kept an event that cannot be applied");
  else if (outcome !== "applied" && outcome !== "unchanged")
    log[level](fields, `[UserService] Nothing to do: ${outcome}`);
  else if (change.kind === "delete") log[level](fields, `[UserService] Successfully deleted user ${clerkId}`);
  else log[level](fields, `[UserService] Successfully synced user ${clerkId}`);
}
