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
import { createBatchWatch } from "./batchWatch.ts";
import { createGroupCommit } from "./groupCommit.ts";
import type { InstanceCheck } from "./instanceCheck.ts";
import { resyncUser, type ResyncResult } from "./resyncUser.ts";

// A batch of 500 takes 30 ms of the writer's time: long compared with its fixed cost, short for those that wait for it.
const batchItemsMax = 500;
/** UTF-16 units of text in a batch. A single delivery may have 2 MiB (payload and user). */
const batchSizeMax = 4 * 1024 * 1024;
/** One to two seconds of the highest throughput measured; a longer queue would miss the deadlines. */
const queueItemsMax = 5_000;
/** Bounds the memory of the queue if deliveries are large. */
const queueSizeMax = 64 * 1024 * 1024;
/** Half of the default `DATABASE_POOL_MAX`. */
const batchesInFlightMax = 5;
/** Less than the promised 10 s, Bun's idle timeout and Svix's timeout of 15 s. */
const defaultDeadlineMs = 8_000;

/** Dependencies of `createUserService`. */
export interface UserServiceDeps {
  readonly database: Database;
  readonly writer: UserWriter;
  /** Null: `CLERK_SECRET_KEY` is not set. */
  readonly clerk: ClerkApi | null;
  readonly log: Log;
  readonly instanceCheck: InstanceCheck;
  readonly observer?: SyncObserver | undefined;
  readonly clock?: Clock | undefined;
}

/** Options of `UserService.applyChange`. */
export interface ApplyOptions {
  /** Milliseconds from now; default 8,000. */
  readonly deadlineMs?: number;
  /** Reprocess a delivery that is `dead` or `ignored` in the ledger. */
  readonly replay?: boolean;
  /** Id of the HTTP request, for the log. */
  readonly requestId?: string | undefined;
}

/** Applies changes of users and reports their status. Webhooks, tRPC and the command line use it. */
export interface UserService {
  /**
   * Commits the change by group commit; resolves with its outcome after the commit.
   * @throws AppError `unavailable` if the database is unreachable or the queue is full, or at the deadline, after which the
   * change may still be committed; `refused` by a rule of the database
   */
  readonly applyChange: (change: UserChange, options?: ApplyOptions) => Promise<Outcome>;
  /** The stored status of a user; does not ask Clerk. */
  readonly getUser: (clerkId: string) => Promise<UserStatus>;
  /** Where data of a user is stored, and whether all personal data has been erased. Reads the whole ledger. */
  readonly getErasureReport: (clerkId: string) => Promise<ErasureReport>;
  /**
   * Fetches one user from Clerk and applies it.
   * @throws AppError `not_found` if neither Clerk nor the database knows the user; `refused` by a rule of the database;
   * errors of `ClerkApi` and `InstanceCheck`
   */
  readonly resync: (input: {
    clerkId: string;
    dryRun?: boolean | undefined;
    requestId?: string | undefined;
  }) => Promise<ResyncResult>;
  /** Number of changes in the queue. */
  readonly queueItems: () => number;
}

/** Create one per process: it holds the queue. */
export function createUserService(deps: UserServiceDeps): UserService {
  const { database, writer, clerk, instanceCheck, log, clock = systemClock } = deps;
  const pace = createBatchPace();
  const watch = createBatchWatch({ database, hasQueue: () => commits.queueItems() > 0, log, clock });
  const commits = createGroupCommit<PreparedChange, Outcome>({
    clock,
    flush: createApplyBatch({ ...deps, pace, watch, clock }),
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
    // Two calls are left, for the watch and a run: if batches took all of them, nothing could cancel a slow one.
    batchesInFlightMax: Math.max(1, Math.min(batchesInFlightMax, database.callsMax - 2)),
    findWorkMs: pace.findWorkMs,
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

/** Logs one line per change, with ids only. Changes of runs have level debug: the run's record has their figures. */
function logOutcome(
  log: Log,
  { change, outcome, requestId }: { change: UserChange; outcome: Outcome; requestId: string | undefined },
): void {
  const { clerkId, source } = change;
  const fields = { requestId, clerkId, outcome, source, svixId: change.delivery?.svixId };
  const level = source === "backfill" || source === "reconcile" ? "debug" : "info";
  if (outcome === "dead")
    log.warn(fields, "[UserService] Recorded a dead event; its error is in the ledger (events.get)");
  else if (outcome !== "applied" && outcome !== "unchanged")
    log[level](fields, `[UserService] No change needed: ${outcome}`);
  else if (change.kind === "delete") log[level](fields, `[UserService] Successfully deleted user ${clerkId}`);
  else log[level](fields, `[UserService] Successfully synced user ${clerkId}`);
}
