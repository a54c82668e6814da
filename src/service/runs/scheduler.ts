import { systemClock, type Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { Database } from "../../store/connection/database.ts";
import type { RetentionService } from "../retention.ts";
import type { RunsService } from "./runsService.ts";

/** Delay of the takeover of runs: by then the lease of the process before this one has expired. */
const takeOverAfterMs = 10_000;
/** Delay of the first check, so that a process that is restarted more often than the interval also reconciles. */
const firstCheckAfterMs = 5 * 60_000;
/** Pause while the database is unavailable. */
const retryAfterMs = 60_000;
/** A payload is erased late by at most this, or by a quarter of its retention if that is shorter. */
const sweepEveryMsMax = 24 * 3_600_000;
const sweepEveryMsMin = 1_000;

const sweepName = "The retention sweep";

/** The timers of a server. */
export interface Scheduler {
  readonly stop: () => void;
}

interface SchedulerDeps {
  runs: {
    findSleepMs: () => Promise<number>;
    takeOver: () => Promise<unknown>;
    startScheduled: (...input: Parameters<RunsService["startScheduled"]>) => Promise<{ dueInMs: number }>;
  };
  retention: RetentionService;
  database: Pick<Database, "idleMs">;
  /** 0: never. */
  reconcileEveryMs: number;
  /** Retention of payloads. */
  keepMs: number;
  hasClerkKey: boolean;
  /** Called after each successful job; its failure is logged. */
  afterJob?: (() => Promise<void>) | undefined;
  log: Log;
  clock?: Clock | undefined;
}

/**
 * Starts reconciles and retention sweeps when they are due. Every replica has timers; the database decides which replica
 * starts the run. While Clerk reports no change the database is used once a day only, so that Neon can suspend it.
 */
export function startScheduler(deps: SchedulerDeps): Scheduler {
  const { runs, retention, reconcileEveryMs: everyMs, log, clock = systemClock } = deps;
  const stopping = new AbortController();
  const timers = new Set<() => void>();
  const startedAtMs = clock.nowMs();
  const sweepEveryMs = Math.min(sweepEveryMsMax, Math.max(sweepEveryMsMin, deps.keepMs / 4));
  let sweptAtMs = Number.NEGATIVE_INFINITY;

  function after(ms: number, name: string, job: () => Promise<unknown>, retryMs?: number): void {
    if (stopping.signal.aborted) return;
    const run = () => {
      timers.delete(cancel);
      job().then(follow, (error: unknown) => {
        if (stopping.signal.aborted) return;
        log.warn({ err: error, retryMs }, `[Scheduler] ${name} failed and is retried later`);
        if (retryMs !== undefined) after(retryMs, name, job, retryMs);
      });
    };
    const cancel = clock.setTimer(ms, run, { isBackground: true });
    timers.add(cancel);
  }

  function follow(): void {
    if (stopping.signal.aborted) return;
    deps.afterJob?.().catch((error: unknown) => {
      if (!stopping.signal.aborted)
        log.warn({ err: error }, "[Scheduler] The status for metrics and alarms cannot be read");
    });
  }

  async function reconcile(): Promise<void> {
    const sleepMs = await runs.findSleepMs();
    if (sleepMs > 0) return planReconcile(Math.min(everyMs, sleepMs));
    if (stopping.signal.aborted) return;
    await runs.takeOver();
    const firstDueInMs = Math.max(0, startedAtMs + everyMs - clock.nowMs());
    const { dueInMs } = await runs.startScheduled({ everyMs, firstDueInMs });
    planReconcile(dueInMs);
    // The database is awake now.
    after(0, sweepName, sweep);
  }

  async function sweep(): Promise<void> {
    const startedSweepAtMs = clock.nowMs();
    await retention.sweep(stopping.signal);
    sweptAtMs = startedSweepAtMs;
  }

  async function sweepIfDue(): Promise<void> {
    const sinceMs = clock.nowMs() - sweptAtMs;
    // Without use of the database since then, nothing new has expired; events of other replicas are swept once a day.
    const mayHaveMore = deps.database.idleMs() < deps.keepMs + sinceMs;
    if (sinceMs >= (mayHaveMore ? sweepEveryMs : sweepEveryMsMax)) await sweep();
    planSweep(Math.max(sweepEveryMsMin, sweptAtMs + sweepEveryMs - clock.nowMs()));
  }

  function planReconcile(ms: number): void {
    after(ms, "The reconcile", reconcile, Math.min(everyMs, retryAfterMs));
  }

  function planSweep(ms: number): void {
    after(ms, sweepName, sweepIfDue, sweepEveryMs);
  }

  const isReconciling = deps.hasClerkKey && everyMs > 0;
  if (isReconciling) planReconcile(Math.min(everyMs, firstCheckAfterMs));
  else if (everyMs > 0)
    log.warn("[Scheduler] CLERK_SECRET_KEY is not set, so no reconcile is scheduled; set it to enable reconciles");
  if (deps.hasClerkKey) after(takeOverAfterMs, "Taking over runs of ended processes", runs.takeOver, retryAfterMs);
  planSweep(Math.min(sweepEveryMs, firstCheckAfterMs));
  return {
    stop: () => {
      stopping.abort();
      for (const cancel of timers) cancel();
    },
  };
}
