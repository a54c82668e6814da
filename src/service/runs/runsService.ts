import { AppError } from "../../errors.ts";
import { requireClerk, type ClerkApi } from "../../clerk/clerkApi.ts";
import { sleep, systemClock, type Clock } from "../../clock.ts";
import type { RunCursor } from "../../domain/runCursor.ts";
import type { RunKind, SyncRun } from "../../domain/syncRun.ts";
import { inBackground } from "../../store/connection/inBackground.ts";
import { openRun, requestCancel, type OpenRun, type OpenRunAnswer } from "../../store/runs/runLease.ts";
import type { RunPageKey } from "../../store/runs/syncRuns.ts";
import { createSleepPlan } from "./sleepPlan.ts";
import { RunStopped, type StopReason } from "./runStopped.ts";
import { workOnRun, type RunsWorkerDeps } from "./workOnRun.ts";

/**
 * How old a stopped run may be to be resumed. A backfill only has to write every user once; a reconcile states that all
 * users are right at about the same time.
 */
const resumeWithinMs: Readonly<Record<RunKind, number>> = { backfill: 24 * 3_600_000, reconcile: 15 * 60_000 };
/** How long a cancel waits for a run of this process to end. */
const cancelWaitMs = 3_000;
const defaultClerkRetryMs = 2_000;

/** Dependencies of the service and of the runs that it works on. */
export type RunsServiceDeps = Omit<RunsWorkerDeps, "owner" | "clerk" | "clerkRetryMs" | "clock"> & {
  /** Null: `CLERK_SECRET_KEY` is not set, and no run can start. */
  readonly clerk: ClerkApi | null;
  readonly clock?: Clock | undefined;
  readonly clerkRetryMs?: number | undefined;
};

/** Backfills and reconciles: at most one of each kind is running per database. */
export interface RunsService {
  /**
   * Starts a run in the background, resumes a stopped one, or takes over one whose process died.
   * @throws AppError `conflict` while one of the kind is running, `precondition_failed` without `CLERK_SECRET_KEY`
   */
  readonly start: (input: { kind: RunKind; dryRun?: boolean | undefined }) => Promise<{ runId: string }>;
  /** @throws AppError `not_found` */
  readonly get: (runId: string) => Promise<SyncRun>;
  /** Newest first. */
  readonly list: (page: { limit: number; after?: RunPageKey | undefined }) => Promise<SyncRun[]>;
  /** Requests the run to stop, in whichever process it is. @throws AppError `not_found` */
  readonly cancel: (runId: string) => Promise<SyncRun>;
  /** Stops a run of this process; resolves when it has stopped. */
  readonly stop: (runId: string, reason: StopReason) => Promise<void>;
  /** Resolves when this process no longer works on the run. */
  readonly waitFor: (runId: string) => Promise<void>;
  /** Resolves when this process works on no run. */
  readonly whenIdle: () => Promise<void>;
  /**
   * Takes over runs that were released or whose process died.
   * @param options.resumeMs how old such a run may be, if longer than the default of its kind
   * @returns the runs taken over, and the kinds that another process is working on
   * @throws AppError `precondition_failed` without `CLERK_SECRET_KEY`
   */
  readonly takeOver: (options?: { resumeMs?: number }) => Promise<{ runIds: string[]; busyKinds: RunKind[] }>;
  /** See `SleepPlan`. @throws AppError `precondition_failed` without `CLERK_SECRET_KEY` */
  readonly findSleepMs: () => Promise<number>;
  /** Starts the scheduled reconcile if it is due. @returns milliseconds until the next one, and the started run */
  readonly startScheduled: (input: {
    everyMs: number;
    firstDueInMs: number;
  }) => Promise<{ dueInMs: number; runId: string | null }>;
  /** Stops the runs of this process, so that other processes can resume them. */
  readonly close: () => Promise<void>;
}

type OpenInput = Omit<Parameters<typeof openRun>[1], "runId" | "owner" | "kind" | "full" | "resumeMs"> & {
  resumeMs?: number;
};

/** Loaded at the first use: drizzle would take a tenth of the start time. */
const loadRuns = () => import("../../store/runs/syncRuns.ts");

/** Create one per process: it owns the leases of the runs that it works on. */
export function createRunsService(deps: RunsServiceDeps): RunsService {
  const { clock = systemClock } = deps;
  const database = inBackground(deps.database);
  const owner = crypto.randomUUID();
  const sleepPlan = createSleepPlan({ database, log: deps.log, clock });
  const ownRuns = createOwnRuns({
    ...deps,
    database,
    owner,
    clock,
    clerkRetryMs: deps.clerkRetryMs ?? defaultClerkRetryMs,
  });

  async function open(kind: RunKind, input: OpenInput): Promise<OpenRunAnswer> {
    const clerk = requireClerk(deps.clerk);
    const answer = await openRun(database, {
      runId: crypto.randomUUID(),
      owner,
      kind,
      full: true,
      resumeMs: resumeWithinMs[kind],
      ...input,
    });
    const recordDone = sleepPlan.recordOpenRun(answer);
    if ("run" in answer) ownRuns.work(answer.run, clerk, recordDone);
    return answer;
  }

  async function get(runId: string): Promise<SyncRun> {
    const { findRun } = await loadRuns();
    const run = await findRun(database, runId);
    if (run === null) throw new AppError("not_found", "No run has this id.");
    return run;
  }

  return {
    start: async ({ kind, dryRun = false }) => {
      const answer = await open(kind, { dryRun, startedBy: "person" });
      if ("run" in answer) return { runId: answer.run.runId };
      const runId = "busy" in answer ? answer.busy.runId : "";
      throw new AppError("conflict", `A ${kind} is already running: ${runId}.`);
    },
    get,
    list: async (page) => (await loadRuns()).listRuns(database, page),
    cancel: async (runId) => {
      await get(runId);
      await requestCancel(database, runId);
      await Promise.race([ownRuns.stop(runId, "cancelled"), sleep(clock, cancelWaitMs)]);
      return get(runId);
    },
    stop: ownRuns.stop,
    waitFor: ownRuns.waitFor,
    whenIdle: ownRuns.whenIdle,
    takeOver: async ({ resumeMs = 0 } = {}) => {
      const runIds: string[] = [];
      const busyKinds: RunKind[] = [];
      for (const kind of ["backfill", "reconcile"] as const) {
        const input = { dryRun: false, startedBy: "schedule", takeOverOnly: true } as const;
        const answer = await open(kind, { ...input, resumeMs: Math.max(resumeMs, resumeWithinMs[kind]) });
        if ("run" in answer) runIds.push(answer.run.runId);
        if ("busy" in answer) busyKinds.push(kind);
      }
      return { runIds, busyKinds };
    },
    findSleepMs: async () => sleepPlan.findSleepMs(requireClerk(deps.clerk)),
    startScheduled: async ({ everyMs, firstDueInMs }) => {
      const answer = await open("reconcile", { dryRun: false, startedBy: "schedule", everyMs, firstDueInMs });
      const dueInMs = "dueInMs" in answer ? answer.dueInMs : everyMs;
      return { dueInMs, runId: "run" in answer ? answer.run.runId : null };
    },
    close: ownRuns.close,
  };
}

/** Keeps track of the runs that this process works on. */
function createOwnRuns(deps: Omit<RunsWorkerDeps, "clerk">) {
  const runs = new Map<string, { controller: AbortController; ended: Promise<void> }>();
  let isClosed = false;

  async function stop(runId: string, reason: StopReason): Promise<void> {
    const run = runs.get(runId);
    run?.controller.abort(new RunStopped(reason));
    await run?.ended;
  }

  return {
    work: (run: OpenRun, clerk: ClerkApi, onDone: (cursor: RunCursor) => void): void => {
      const controller = new AbortController();
      const ended = workOnRun({ ...deps, clerk }, run, controller)
        .then((cursor) => void (cursor && onDone(cursor)))
        .finally(() => runs.delete(run.runId));
      runs.set(run.runId, { controller, ended });
      // `openRun` took the lease after `close` was called.
      if (isClosed) controller.abort(new RunStopped("shutdown"));
    },
    stop,
    waitFor: async (runId: string): Promise<void> => {
      await runs.get(runId)?.ended;
    },
    whenIdle: async (): Promise<void> => {
      await Promise.all([...runs.values()].map(({ ended }) => ended));
    },
    close: async (): Promise<void> => {
      isClosed = true;
      await Promise.all([...runs.keys()].map((runId) => stop(runId, "shutdown")));
    },
  };
}
