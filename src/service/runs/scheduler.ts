import { systemClock, type Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { Database } from "../../store/connection/database.ts";
import type { RetentionService } from "../retention.ts";
import type { RunsService } from "./runsService.ts";

/** After the start of a process: by then the lease of the one before it has run out, and its run is taken over. */
const adoptAfterMs = 10_000;
/** A process that is replaced more often than the interval must get to it all the same. */
const firstLookAfterMs = 5 * 60_000;
/** When the database is away. */
const retryAfterMs = 60_000;
/** Payloads may outstay their time by this, or by a quarter of it if that is shorter. */
const sweepEveryMsMax = 24 * 3_600_000;
const sweepEveryMsMin = 1_000;

const erasing = "Erasing payloads";

export interface Scheduler {
  readonly stop: () => void;
}

interface SchedulerDeps {
  runs: {
    findSleepMs: () => Promise<number>;
    adopt: () => Promise<unknown>;
    startScheduled: (...input: Parameters<RunsService["startScheduled"]>) => Promise<{ dueInMs: number }>;
  };
  retention: RetentionService;
  database: Pick<Database, "idleMs">;
  /** 0: never. */
  reconcileEveryMs: number;
  /** How long payloads are kept. */
  keepMs: number;
  hasClerkKey: boolean;
  /** Follows each job that succeeded; a failure is only logged. */
  afterJob?: (() => Promise<void>) | undefined;
  log: Log;
  clock?: Clock | undefined;
}

/**
 * Starts reconciles and sweeps when they are due. Each process has its timers, the database says which of them is in
 * time. While Clerk shows nothing new the database is left alone but once a day, so that it can sleep.
 */
export function startScheduler(deps: SchedulerDeps): Scheduler {
  const { runs, retention, reconcileEveryMs: everyMs, log, clock = systemClock } = deps;
  const stopping = new AbortController();
  const timers = new Set<() => void>();
  const startedAtMs = clock.nowMs();
  const sweepEveryMs = Math.min(sweepEveryMsMax, Math.max(sweepEveryMsMin, deps.keepMs / 4));
  let sweptAtMs = Number.NEGATIVE_INFINITY;

  function after(ms: number, what: string, job: () => Promise<unknown>, retryMs?: number): void {
    if (stopping.signal.aborted) return;
    const run = () => {
      timers.delete(cancel);
      job().then(follow, (error: unknown) => {
        if (stopping.signal.aborted) return;
        log.warn({ err: error }, `[Scheduler] ${what} has to wait`);
        if (retryMs !== undefined) after(retryMs, what, job, retryMs);
      });
    };
    const cancel = clock.setTimer(ms, run, { isBackground: true });
    timers.add(cancel);
  }

  function follow(): void {
    if (stopping.signal.aborted) return;
    deps.afterJob?.().catch((error: unknown) => {
      if (!stopping.signal.aborted) log.warn({ err: error }, "[Scheduler] The status cannot be read");
    });
  }

  async function reconcile(): Promise<void> {
    const sleepMs = await runs.findSleepMs();
    if (sleepMs > 0) return planReconcile(Math.min(everyMs, sleepMs));
    if (stopping.signal.aborted) return;
    await runs.adopt();
    const firstDueInMs = Math.max(0, startedAtMs + everyMs - clock.nowMs());
    const { dueInMs } = await runs.startScheduled({ everyMs, firstDueInMs });
    planReconcile(dueInMs);
    // Now the database is awake anyway.
    after(0, erasing, sweep);
  }

  async function sweep(): Promise<void> {
    const startedSweepAtMs = clock.nowMs();
    await retention.sweep(stopping.signal);
    sweptAtMs = startedSweepAtMs;
  }

  async function sweepIfDue(): Promise<void> {
    const sinceMs = clock.nowMs() - sweptAtMs;
    // What came before has been swept once its time was over; what other processes took is found once a day.
    const mayHaveMore = deps.database.idleMs() < deps.keepMs + sinceMs;
    if (sinceMs >= (mayHaveMore ? sweepEveryMs : sweepEveryMsMax)) await sweep();
    planSweep(Math.max(sweepEveryMsMin, sweptAtMs + sweepEveryMs - clock.nowMs()));
  }

  function planReconcile(ms: number): void {
    after(ms, "The reconcile", reconcile, Math.min(everyMs, retryAfterMs));
  }

  function planSweep(ms: number): void {
    after(ms, erasing, sweepIfDue, sweepEveryMs);
  }

  const isReconciling = deps.hasClerkKey && everyMs > 0;
  if (isReconciling) planReconcile(Math.min(everyMs, firstLookAfterMs));
  else if (everyMs > 0) log.warn("[Scheduler] CLERK_SECRET_KEY is not set: no reconcile is scheduled");
  if (deps.hasClerkKey) after(adoptAfterMs, "Taking over runs", runs.adopt, retryAfterMs);
  planSweep(Math.min(sweepEveryMs, firstLookAfterMs));
  return {
    stop: () => {
      stopping.abort();
      for (const cancel of timers) cancel();
    },
  };
}
