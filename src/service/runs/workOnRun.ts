import type { ClerkApi } from "../../clerk/clerkApi.ts";
import { repeat, type Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { SyncObserver } from "../../domain/observer.ts";
import { formatCounted } from "../../domain/format.ts";
import type { RunCursor } from "../../domain/runCursor.ts";
import type { RunStatus } from "../../domain/syncRun.ts";
import type { Log } from "../../log.ts";
import type { Database } from "../../store/connection/database.ts";
import type { UserWriter } from "../../store/users/userWriter.ts";
import { finishRun, releaseLease, renewLease, type OpenRun } from "../../store/runs/runLease.ts";
import type { InstanceCheck } from "../instanceCheck.ts";
import { backfill } from "./backfill.ts";
import { reconcile } from "./reconcile.ts";
import { createRetryingClerk } from "./retryingClerk.ts";
import { retry } from "../../retry.ts";
import { RunStopped } from "./runStopped.ts";
import { createRunWriter } from "./runWriter.ts";

/** Three heartbeats per lease (6 s); each also checks for a cancel request. */
const renewEveryMs = 2_000;
/** Attempts to record the end of a run; after that the lease expires and another process takes over. */
const finishTriesMax = 5;
const finishRetryMs = 1_000;

/** Dependencies of `workOnRun`. */
export interface RunsWorkerDeps {
  readonly database: Database;
  readonly writer: Pick<UserWriter, "applyRunPage">;
  readonly clerk: ClerkApi;
  readonly instanceCheck: InstanceCheck;
  readonly log: Log;
  /** Id of this process in leases. */
  readonly owner: string;
  /** Pause before a failed call of Clerk's API is retried. */
  readonly clerkRetryMs: number;
  readonly observer?: SyncObserver | undefined;
  readonly clock: Clock;
}

interface RunEnd {
  readonly status: Exclude<RunStatus, "running">;
  readonly error: string | null;
  readonly resumable: boolean;
  /** Set if the status is `done`. */
  readonly cursor?: RunCursor;
}

/**
 * Works on a run until it ends or `controller` is aborted with a `RunStopped`. Never throws.
 * @returns the last cursor of a run that is `done`; null for any other run
 */
export async function workOnRun(
  deps: RunsWorkerDeps,
  run: OpenRun,
  controller: AbortController,
): Promise<RunCursor | null> {
  const log = deps.log.child({ runId: run.runId, kind: run.kind });
  const stopHeartbeat = repeat(deps.clock, renewEveryMs, () => void renew({ ...deps, log }, run, controller));
  log.info({ dryRun: run.dryRun, full: run.full, resumed: run.cursor !== null }, "[Runs] The run started");
  deps.observer?.onRun?.({ kind: run.kind, status: "running" });
  try {
    const end = await work({ ...deps, log }, run, controller.signal);
    await finish({ ...deps, log }, run, end);
    return (typeof end === "object" && end.cursor) || null;
  } catch (error) {
    log.error({ err: error }, "[Runs] The end of the run could not be recorded; another process takes it over");
    return null;
  } finally {
    stopHeartbeat();
    // Aborts a request to Clerk whose answer is no longer needed.
    controller.abort(new RunStopped("lost"));
  }
}

async function work(deps: RunsWorkerDeps, run: OpenRun, signal: AbortSignal): Promise<RunEnd | "released" | "lost"> {
  const { clock, log } = deps;
  const writer = createRunWriter({ ...deps, users: deps.writer, run, signal });
  const clerk = createRetryingClerk(deps.clerk, { signal, clock, log, retryMs: deps.clerkRetryMs });
  try {
    const instance = await deps.instanceCheck.requireSameInstance(clerk);
    if (instance !== "proved") await deps.instanceCheck.requireKnownUser(clerk);
    await (run.kind === "backfill" ? backfill : reconcile)({ ...deps, run, clerk, writer });
    await writer.finish();
  } catch (cause) {
    return toEndOfStopped(run, signal.aborted ? (signal.reason as unknown) : cause, log);
  }
  const cursor = writer.cursor();
  const { refused, refusedIds, leftOut, leftOutNames } = cursor;
  const note =
    leftOut === 0
      ? null
      : `${formatCounted(leftOut, "element")} of Clerk's lists could not be read as a user: ${leftOutNames.join(", ")}`;
  if (refused === 0) return { status: "done", error: note, resumable: false, cursor };
  const error = `${note === null ? "" : `${note}. `}${formatCounted(refused, "user")} could not be stored (all others were): ${refusedIds.join(", ")}`;
  return { status: "failed", error, resumable: false };
}

function toEndOfStopped(run: OpenRun, cause: unknown, log: Log): RunEnd | "released" | "lost" {
  const reason = cause instanceof RunStopped ? cause.reason : "failed";
  if (reason === "lost") return "lost";
  if (reason === "shutdown") return "released";
  // After a cancel or failure a reconcile starts again from the first user, so that its result is as of one time.
  if (reason !== "failed") {
    return { status: "cancelled", error: null, resumable: reason === "interrupted" || run.kind === "backfill" };
  }
  log.error({ err: cause }, "[Runs] The run failed; fix the cause and start it again");
  const error = cause instanceof AppError ? cause.message : "Internal error; see the log of the process.";
  return { status: "failed", error, resumable: run.kind === "backfill" };
}

async function finish(deps: RunsWorkerDeps, run: OpenRun, end: RunEnd | "released" | "lost"): Promise<void> {
  const { database, log, owner } = deps;
  const lease = { runId: run.runId, owner };
  if (end === "lost") {
    log.warn("[Runs] The run stopped here: another process has taken it over");
    return;
  }
  if (end === "released") {
    await releaseLease(database, lease);
    log.info("[Runs] The run stopped here; another process may take it over");
    return;
  }
  await retry(() => finishRun(database, { ...lease, ...end }), {
    clock: deps.clock,
    findWaitMs: (_error, failures) => (failures < finishTriesMax ? finishRetryMs : undefined),
  });
  log.info({ status: end.status }, "[Runs] The run ended");
  deps.observer?.onRun?.({ kind: run.kind, status: end.status });
}

/** A failed heartbeat is tolerated: every page write checks the lease again. */
async function renew(deps: RunsWorkerDeps, run: OpenRun, controller: AbortController): Promise<void> {
  try {
    const state = await renewLease(deps.database, { runId: run.runId, owner: deps.owner });
    if (state !== "held") controller.abort(new RunStopped(state));
  } catch (error) {
    deps.log.warn({ err: error }, "[Runs] The lease could not be renewed and is retried");
  }
}
