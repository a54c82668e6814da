import { startDeadline, systemClock, type Clock } from "../../clock.ts";
import type { RunKind } from "../../domain/syncRun.ts";
import { AppError } from "../../errors.ts";
import type { Database } from "../../store/connection/database.ts";
import { awakeAfterUseMs } from "../../store/connection/inBackground.ts";
import type { RetentionService } from "../retention.ts";
import type { RunsService } from "./runsService.ts";

/** A Neon Function must start its answer within 15 minutes; the next call continues an unfinished run. */
const workMsMax = 10 * 60_000;
/** A run stopped within the last day is resumed, because calls may be rare; changes since then are compared again. */
const resumeMs = 24 * 3_600_000;
/** After this time the database is used even if Clerk reports no change: for retention and for runs of other copies. */
const restMsMax = 24 * 3_600_000;
/** Tolerance for a trigger that calls too early: its call counts as due. */
const earlyMs = 60_000;

const noKey = "CLERK_SECRET_KEY is not set: no reconcile is scheduled; retention is applied.";
const resting = "Nothing has changed since the last call that used the database; it was not woken.";

/** Answer of `POST /api/schedule`. */
export interface DueWorkReport {
  /** Runs that this call worked on; `paused`: the next call continues it. */
  readonly runs: readonly { readonly kind: RunKind; readonly status: "done" | "cancelled" | "paused" }[];
  /** Milliseconds until the next scheduled reconcile; null: none is scheduled. */
  readonly dueInMs: number | null;
  /** A sentence for the operator. */
  readonly note: string | null;
}

/**
 * The schedule of a process without timers: a trigger calls it, and the database decides whether work is due. A copy
 * that keeps running asks Clerk first, as the server's schedule does, and wakes an unused database once a day. A copy
 * that has just started remembers no earlier call and has to ask the database: then the trigger's `cron` decides how
 * often it is woken.
 */
export interface DueWork {
  /**
   * Applies retention, continues stopped runs and starts the scheduled reconcile if it is due. Resolves when that is
   * done or after ten minutes. On a fresh database the first reconcile is due at once.
   * @throws AppError `conflict` while another call or reconcile is in progress; `unavailable`, also if a run failed
   */
  readonly perform: () => Promise<DueWorkReport>;
  /** From now on no run is started; `RunsService.close` stops the runs in progress. */
  readonly stop: () => void;
}

interface DueWorkDeps {
  runs: RunsService;
  retention: RetentionService;
  database: Pick<Database, "idleMs">;
  /** 0: never. */
  reconcileEveryMs: number;
  hasClerkKey: boolean;
  clock?: Clock | undefined;
}

/** Create one per process, because it remembers its calls. */
export function createDueWork(deps: DueWorkDeps): DueWork {
  const { runs, retention, reconcileEveryMs: everyMs, clock = systemClock } = deps;
  const rest = createRest(deps);
  const stopping = new AbortController();
  let isUnderWay = false;

  async function work(
    runIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<RunsService["get"]>>[]> {
    const release = () => void Promise.all(runIds.map((runId) => runs.stop(runId, "shutdown")));
    signal.addEventListener("abort", release);
    if (signal.aborted) release();
    await Promise.all(runIds.map((runId) => runs.waitFor(runId)));
    signal.removeEventListener("abort", release);
    return Promise.all(runIds.map((runId) => runs.get(runId)));
  }

  async function takeOver(signal: AbortSignal) {
    const { runIds, busyKinds } = await runs.takeOver({ resumeMs });
    const ended = await work(runIds, signal);
    if (busyKinds.includes("reconcile")) throw inProgress();
    return ended;
  }

  async function reconcile(signal: AbortSignal) {
    const ended = await takeOver(signal);
    if (everyMs === 0 || signal.aborted) return { ended, dueInMs: everyMs === 0 ? null : everyMs };
    const { dueInMs, runId } = await runs.startScheduled({ everyMs, firstDueInMs: 0 });
    // Without `runId` the reconcile is not due. If another process has just started it, `takeOver` throws the conflict.
    ended.push(...(runId === null ? await takeOver(signal) : await work([runId], signal)));
    return { ended, dueInMs };
  }

  async function perform(signal: AbortSignal): Promise<DueWorkReport> {
    // First, so that a long reconcile does not delay retention.
    await retention.sweep(signal);
    if (!deps.hasClerkKey) return { runs: [], dueInMs: null, note: noKey };
    const { ended, dueInMs } = await reconcile(signal);
    return {
      runs: ended.map(({ kind, status }) => {
        if (status === "failed")
          throw new AppError("unavailable", `The ${kind} failed; see sync.status for the reason.`);
        return { kind, status: status === "running" ? "paused" : status };
      }),
      dueInMs,
      note: null,
    };
  }

  return {
    perform: async () => {
      if (isUnderWay) throw inProgress();
      isUnderWay = true;
      const deadline = startDeadline(clock, workMsMax);
      try {
        const known = await rest.find();
        if (known) return known;
        const startedAtMs = clock.nowMs();
        const report = await perform(AbortSignal.any([stopping.signal, deadline.signal]));
        rest.record(startedAtMs, report);
        return report;
      } finally {
        isUnderWay = false;
        deadline.cancel();
      }
    },
    stop: () => stopping.abort(),
  };
}

/** Decides from memory whether a call can be answered without the database. */
function createRest({ runs, database, reconcileEveryMs: everyMs, hasClerkKey, clock = systemClock }: DueWorkDeps) {
  const isReconciling = hasClerkKey && everyMs > 0;
  let asksDatabaseAtMs = 0;
  let asksClerkAtMs = 0;

  return {
    /** @returns the answer if nothing can be due; null: the database has to be asked */
    find: async (): Promise<DueWorkReport | null> => {
      const nowMs = clock.nowMs();
      // A database in use is awake anyway.
      const isAsleep = nowMs < asksDatabaseAtMs - earlyMs && database.idleMs() >= awakeAfterUseMs;
      if (isAsleep && isReconciling && nowMs >= asksClerkAtMs - earlyMs) {
        asksClerkAtMs = nowMs + Math.min(everyMs, await runs.findSleepMs());
      }
      const dueInMs = isReconciling ? asksClerkAtMs - nowMs : null;
      if (isAsleep && dueInMs !== 0) return { runs: [], dueInMs, note: resting };
      // Unless `record` reports that this call succeeded, the next call uses the database too.
      asksDatabaseAtMs = 0;
      return null;
    },
    /** Called after a call that used the database. */
    record: (startedAtMs: number, { runs: ended, dueInMs }: DueWorkReport): void => {
      const isPaused = ended.some(({ status }) => status === "paused");
      asksDatabaseAtMs = isPaused ? 0 : startedAtMs + restMsMax;
      asksClerkAtMs = startedAtMs + (dueInMs ?? 0);
    },
  };
}

function inProgress(): AppError {
  return new AppError("conflict", "The scheduled work is already in progress.");
}
