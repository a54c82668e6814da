import type { ClerkApi } from "../../clerk/clerkApi.ts";
import { repeat, type Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { SyncObserver } from "../../domain/observer.ts";
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

/** Several times in the life of a lease (7 s); a request to stop is heard as often. */
const renewEveryMs = 2_000;
/** How often the end of a run is tried to be written; after that its lease has run out and another process goes on. */
const finishTriesMax = 5;
const finishRetryMs = 1_000;

export interface RunsWorkerDeps {
  readonly database: Database;
  readonly writer: Pick<UserWriter, "applyRunPage">;
  readonly clerk: ClerkApi;
  readonly instanceCheck: InstanceCheck;
  readonly log: Log;
  /** This process, among all that work on the database. */
  readonly owner: string;
  /** Before Clerk is asked once more after it failed. */
  readonly clerkRetryMs: number;
  readonly observer?: SyncObserver | undefined;
  readonly clock: Clock;
}

interface RunEnd {
  readonly status: Exclude<RunStatus, "running">;
  readonly error: string | null;
  readonly resumable: boolean;
  /** Of one that is done. */
  readonly cursor?: RunCursor;
}

/**
 * Works on a run to its end, whatever that is. Never throws. `controller` is aborted with a `RunStopped` to stop it.
 * @returns the last cursor of a run that is `done`; of any other, null
 */
export async function workOnRun(
  deps: RunsWorkerDeps,
  run: OpenRun,
  controller: AbortController,
): Promise<RunCursor | null> {
  const log = deps.log.child({ runId: run.runId, kind: run.kind });
  const stopHeartbeat = repeat(deps.clock, renewEveryMs, () => void renew({ ...deps, log }, run, controller));
  log.info({ dryRun: run.dryRun, full: run.full, resumed: run.cursor !== null }, "[Runs] Started");
  deps.observer?.onRun?.({ kind: run.kind, status: "running" });
  try {
    const end = await work({ ...deps, log }, run, controller.signal);
    await finish({ ...deps, log }, run, end);
    return (typeof end === "object" && end.cursor) || null;
  } catch (error) {
    // The lease runs out by itself, and another process goes on.
    log.error({ err: error }, "[Runs] The end of the run could not be written");
    return null;
  } finally {
    stopHeartbeat();
    // Ends a request to Clerk whose answer is no longer needed.
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
    leftOut === 0 ? null : `${leftOut} elements of Clerk's lists are no readable users: ${leftOutNames.join(", ")}`;
  if (refused === 0) return { status: "done", error: note, resumable: false, cursor };
  const error = `${note === null ? "" : `${note}. `}${refused} users could not be stored, all others were: ${refusedIds.join(", ")}`;
  return { status: "failed", error, resumable: false };
}

function toEndOfStopped(run: OpenRun, cause: unknown, log: Log): RunEnd | "released" | "lost" {
  const reason = cause instanceof RunStopped ? cause.reason : "failed";
  if (reason === "lost") return "lost";
  if (reason === "shutdown") return "released";
  // A reconcile that was cancelled or failed compares every user anew: its figures are of one time.
  if (reason !== "failed") {
    return { status: "cancelled", error: null, resumable: reason === "interrupted" || run.kind === "backfill" };
  }
  log.error({ err: cause }, "[Runs] Failed");
  const error =
    cause instanceof AppError ? cause.message : "Something went wrong here; the log of the process says what.";
  return { status: "failed", error, resumable: run.kind === "backfill" };
}

async function finish(deps: RunsWorkerDeps, run: OpenRun, end: RunEnd | "released" | "lost"): Promise<void> {
  const { database, log, owner } = deps;
  const lease = { runId: run.runId, owner };
  if (end === "lost") {
    log.warn("[Runs] Stopped: another process has taken the run over");
    return;
  }
  if (end === "released") {
    await releaseLease(database, lease);
    log.info("[Runs] Stopped; another process may go on");
    return;
  }
  await retry(() => finishRun(database, { ...lease, ...end }), {
    clock: deps.clock,
    findWaitMs: (_error, failures) => (failures < finishTriesMax ? finishRetryMs : undefined),
  });
  log.info({ status: end.status }, "[Runs] Finished");
  deps.observer?.onRun?.({ kind: run.kind, status: end.status });
}

/** A heartbeat that fails is no reason to stop: every page asks again whose the run is. */
async function renew(deps: RunsWorkerDeps, run: OpenRun, controller: AbortController): Promise<void> {
  try {
    const state = await renewLease(deps.database, { runId: run.runId, owner: deps.owner });
    if (state !== "held") controller.abort(new RunStopped(state));
  } catch (error) {
    deps.log.warn({ err: error }, "[Runs] The lease could not be renewed");
  }
}
