import { systemClock, type Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { RetentionService } from "../retention.ts";
import type { RunsService } from "./runsService.ts";

/** After the start of a process: by then the lease of the one before it has run out, and its run is taken over. */
const adoptAfterMs = 10_000;
/** A process that is replaced more often than the interval must get to it all the same. */
const firstLookAfterMs = 5 * 60_000;
/** When the database is away. */
const retryAfterMs = 60_000;
/** Payloads may outstay their time by this, or by a quarter of it if that is shorter. */
const sweepEveryMsMax = 6 * 3_600_000;
const sweepEveryMsMin = 1_000;

export interface Scheduler {
  readonly stop: () => void;
}

/**
 * Starts reconciles and sweeps when they are due. Each process has its timers, the database says which of them is in
 * time; in between it is not used, so that it can sleep.
 */
export function startScheduler(deps: {
  runs: {
    adopt: () => Promise<unknown>;
    startScheduled: (...input: Parameters<RunsService["startScheduled"]>) => Promise<{ dueInMs: number }>;
  };
  retention: RetentionService;
  /** 0: never. */
  reconcileEveryMs: number;
  /** How long payloads are kept. */
  keepMs: number;
  hasClerkKey: boolean;
  log: Log;
  clock?: Clock | undefined;
}): Scheduler {
  const { runs, retention, reconcileEveryMs: everyMs, log, clock = systemClock } = deps;
  const stopping = new AbortController();
  const timers = new Set<() => void>();
  const startedAtMs = clock.nowMs();
  const sweepEveryMs = Math.min(sweepEveryMsMax, Math.max(sweepEveryMsMin, deps.keepMs / 4));

  function after(ms: number, what: string, job: () => Promise<unknown>, retryMs?: number): void {
    if (stopping.signal.aborted) return;
    const run = () => {
      timers.delete(cancel);
      job().catch((error: unknown) => {
        if (stopping.signal.aborted) return;
        log.warn({ err: error }, `[Scheduler] ${what} has to wait`);
        if (retryMs !== undefined) after(retryMs, what, job, retryMs);
      });
    };
    const cancel = clock.setTimer(ms, run, { isBackground: true });
    timers.add(cancel);
  }

  async function reconcile(): Promise<void> {
    await runs.adopt();
    const firstDueInMs = Math.max(0, startedAtMs + everyMs - clock.nowMs());
    const { dueInMs } = await runs.startScheduled({ everyMs, firstDueInMs });
    planReconcile(dueInMs);
    if (sweepEveryMs >= everyMs) planSweep(0, sweepOnce);
  }

  async function sweepOnce(): Promise<void> {
    await retention.sweep(stopping.signal);
  }

  async function sweep(): Promise<void> {
    await sweepOnce();
    planSweep(sweepEveryMs, sweep, sweepEveryMs);
  }

  function planReconcile(ms: number): void {
    after(ms, "The reconcile", reconcile, Math.min(everyMs, retryAfterMs));
  }

  function planSweep(ms: number, job: () => Promise<void>, retryMs?: number): void {
    after(ms, "Erasing payloads", job, retryMs);
  }

  const isReconciling = deps.hasClerkKey && everyMs > 0;
  if (isReconciling) planReconcile(Math.min(everyMs, firstLookAfterMs));
  else if (everyMs > 0) log.warn("[Scheduler] CLERK_SECRET_KEY is not set: no reconcile is scheduled");
  if (deps.hasClerkKey) after(adoptAfterMs, "Taking over runs", runs.adopt, retryAfterMs);
  // Otherwise it goes along with the reconcile, when the database is awake anyway.
  if (!isReconciling || sweepEveryMs < everyMs)
    planSweep(Math.min(sweepEveryMs, firstLookAfterMs), sweep, sweepEveryMs);
  return {
    stop: () => {
      stopping.abort();
      for (const cancel of timers) cancel();
    },
  };
}
