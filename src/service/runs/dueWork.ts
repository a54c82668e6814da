import { startDeadline, systemClock, type Clock } from "../../clock.ts";
import type { RunKind } from "../../domain/syncRun.ts";
import { AppError } from "../../errors.ts";
import type { Database } from "../../store/connection/database.ts";
import { awakeAfterUseMs } from "../../store/connection/inBackground.ts";
import type { RetentionService } from "../retention.ts";
import type { RunsService } from "./runsService.ts";

/** A Neon Function has 15 minutes to begin its answer; what is left then goes on at the next call. */
const workMsMax = 10 * 60_000;
/** However seldom it is called: what a stopped run saw within a day is built on, and what changed since is compared again. */
const resumeMs = 24 * 3_600_000;
/** Then the database is asked whatever Clerk says: for what is too old, and for runs that other copies had to leave. */
const restMsMax = 24 * 3_600_000;
/** A trigger may call a little early, and is then not to be told to come again. */
const earlyMs = 60_000;

const noKey = "CLERK_SECRET_KEY is not set: no reconcile is scheduled, old payloads and rows are removed.";
const resting = "Nothing has moved since the last call that asked the database; it was left asleep.";

export interface DueWorkReport {
  /** What this call worked on; `paused`: the next call goes on with it. */
  readonly runs: readonly { readonly kind: RunKind; readonly status: "done" | "cancelled" | "paused" }[];
  /** Until the next scheduled reconcile, milliseconds; null: none is scheduled. */
  readonly dueInMs: number | null;
  /** For people. */
  readonly note: string | null;
}

/**
 * The schedule of a process without timers of its own. A caller decides when it looks, the database whether work is due.
 * A copy that is kept running asks Clerk first, as the server's schedule does, and wakes an unused database once a day.
 * One that has just been started knows nothing of the calls before it and has to ask the database: there the trigger's
 * `cron` says how often it is woken.
 */
export interface DueWork {
  /**
   * Goes on with runs that were stopped, starts the scheduled reconcile if it is due, removes what is too old, and
   * resolves when that is done or its time is over. The first reconcile of all is due at once.
   * @throws AppError `conflict` while a call or a reconcile is under way, `unavailable`, also if a run failed
   */
  readonly perform: () => Promise<DueWorkReport>;
  /** Begins nothing more; the runs themselves are let go by `RunsService.close`. */
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

export function createDueWork(deps: DueWorkDeps): DueWork {
  const { runs, retention, reconcileEveryMs: everyMs, clock = systemClock } = deps;
  const rest = createRest(deps);
  const stopping = new AbortController();
  let isUnderWay = false;

  async function work(
    runIds: readonly string[],
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<RunsService["get"]>>[]> {
    const release = () => void Promise.all(runIds.map((runId) => runs.release(runId)));
    signal.addEventListener("abort", release);
    if (signal.aborted) release();
    await Promise.all(runIds.map((runId) => runs.waitFor(runId)));
    signal.removeEventListener("abort", release);
    return Promise.all(runIds.map((runId) => runs.get(runId)));
  }

  async function takeOver(signal: AbortSignal) {
    const { runIds, busyKinds } = await runs.adopt({ resumeMs });
    const ended = await work(runIds, signal);
    if (busyKinds.includes("reconcile")) throw underWay();
    return ended;
  }

  async function reconcile(signal: AbortSignal) {
    const ended = await takeOver(signal);
    if (everyMs === 0 || signal.aborted) return { ended, dueInMs: everyMs === 0 ? null : everyMs };
    const { dueInMs, runId } = await runs.startScheduled({ everyMs, firstDueInMs: 0 });
    // Not due, because another process has started it just now: then it is under way.
    ended.push(...(runId === null ? await takeOver(signal) : await work([runId], signal)));
    return { ended, dueInMs };
  }

  async function perform(signal: AbortSignal): Promise<DueWorkReport> {
    // First, so that no reconcile, however long, keeps payloads beyond their time.
    await retention.sweep(signal);
    if (!deps.hasClerkKey) return { runs: [], dueInMs: null, note: noKey };
    const { ended, dueInMs } = await reconcile(signal);
    return {
      runs: ended.map(({ kind, status }) => {
        if (status === "failed") throw new AppError("unavailable", `The ${kind} failed; sync.status says why.`);
        return { kind, status: status === "running" ? "paused" : status };
      }),
      dueInMs,
      note: null,
    };
  }

  return {
    perform: async () => {
      if (isUnderWay) throw underWay();
      isUnderWay = true;
      const deadline = startDeadline(clock, workMsMax);
      try {
        const known = await rest.find();
        if (known) return known;
        const startedAtMs = clock.nowMs();
        const report = await perform(AbortSignal.any([stopping.signal, deadline.signal]));
        rest.learn(startedAtMs, report);
        return report;
      } finally {
        isUnderWay = false;
        deadline.cancel();
      }
    },
    stop: () => stopping.abort(),
  };
}

/** When a copy leaves the database alone, by what it remembers. */
function createRest({ runs, database, reconcileEveryMs: everyMs, hasClerkKey, clock = systemClock }: DueWorkDeps) {
  const isReconciling = hasClerkKey && everyMs > 0;
  // Epoch milliseconds: when the database is asked whatever Clerk says, and when Clerk is.
  let asksAtMs = 0;
  let looksAtMs = 0;

  return {
    /** @returns the answer to a call for which nothing is due as far as is known here; null: the database has to be asked */
    find: async (): Promise<DueWorkReport | null> => {
      const nowMs = clock.nowMs();
      // In use it is awake anyway.
      const isAsleep = nowMs < asksAtMs - earlyMs && database.idleMs() >= awakeAfterUseMs;
      if (isAsleep && isReconciling && nowMs >= looksAtMs - earlyMs) {
        looksAtMs = nowMs + Math.min(everyMs, await runs.findSleepMs());
      }
      const dueInMs = isReconciling ? looksAtMs - nowMs : null;
      if (isAsleep && dueInMs !== 0) return { runs: [], dueInMs, note: resting };
      // Until it is known how that call ended.
      asksAtMs = 0;
      return null;
    },
    /** Follows a call that asked the database. */
    learn: (startedAtMs: number, { runs: ended, dueInMs }: DueWorkReport): void => {
      const isPaused = ended.some(({ status }) => status === "paused");
      asksAtMs = isPaused ? 0 : startedAtMs + restMsMax;
      looksAtMs = startedAtMs + (dueInMs ?? 0);
    },
  };
}

function underWay(): AppError {
  return new AppError("conflict", "The scheduled work is under way already.");
}
