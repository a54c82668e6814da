import { setTimeout as sleep } from "node:timers/promises";
import cliProgress from "cli-progress";
import { systemClock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { RunKind, RunStatus, SyncRun } from "../domain/syncRun.ts";
import type { SyncParts } from "../compose.ts";
import { retry } from "../retry.ts";
import { onStopSignal } from "../onStopSignal.ts";
import { toLines, type Output } from "./output.ts";

const barEveryMs = 500;
const lineEveryMs = 2_000;
const countDeadlineMs = 20_000;
/** Longer than a lease: by then the run of a dead process can be taken over. */
const takeOverWithinMs = 9_000;
const takeOverEveryMs = 1_000;

interface RunRequest {
  readonly kind: RunKind;
  readonly dryRun: boolean;
}

/**
 * Runs a backfill or reconcile in this process and shows its progress: a bar on a terminal, plain lines elsewhere,
 * NDJSON with `--json`, whose last line is the result. After Ctrl-C the next call resumes it.
 * @throws AppError `conflict` while another process works on one of the kind
 */
export async function followRun(ctx: SyncParts, request: RunRequest, output: Output): Promise<RunStatus> {
  const { runs } = ctx.services;
  const stopping = new AbortController();
  // A second Ctrl-C ends the process at once; then the lease of the run expires a few seconds later.
  const forgetSignals = onStopSignal(() => stopping.abort());
  const progress = openProgress(output, request.kind);
  try {
    const runId = await startRun(ctx, request, stopping.signal);
    const interrupt = () => void runs.stop(runId, "interrupted");
    if (stopping.signal.aborted) interrupt();
    else stopping.signal.addEventListener("abort", interrupt, { once: true });
    void countUsers(ctx, stopping.signal).then(progress.setTotal);
    const ended = runs.waitFor(runId).then(() => true);
    while (!(await Promise.race([ended, sleep(progress.everyMs, false)]))) {
      // If the run cannot be read, only a line of progress is missing.
      await runs.get(runId).then(progress.show, () => undefined);
    }
    const run = await runs.get(runId);
    progress.close(run);
    output.answer(run, toLines(run));
    if (stopping.signal.aborted && run.status !== "done") {
      console.error(`Stopped. Nothing is lost: the next \`${request.kind}\` resumes the run.`);
    }
    return run.status;
  } finally {
    progress.close();
    forgetSignals();
  }
}

/** Starts the run. If one of its kind is running, retries until that one makes progress or its lease has expired. */
async function startRun(ctx: SyncParts, request: RunRequest, signal: AbortSignal): Promise<string> {
  const retriesUntilMs = systemClock.nowMs() + takeOverWithinMs;
  let seen: SyncRun | undefined;
  const { runId } = await retry(() => ctx.services.runs.start(request), {
    clock: systemClock,
    findWaitMs: async (error) => {
      const isBusy = error instanceof AppError && error.code === "conflict";
      if (!isBusy || systemClock.nowMs() > retriesUntilMs) return undefined;
      const [newest] = (await ctx.services.runs.list({ limit: 10 })).filter(
        (run) => run.status === "running" && run.kind === request.kind,
      );
      if (signal.aborted || (seen && newest && newest.seen !== seen.seen)) return undefined;
      seen = newest;
      return takeOverEveryMs;
    },
  });
  return runId;
}

/** The progress bar's total; undefined if Clerk does not answer. */
async function countUsers(ctx: SyncParts, signal: AbortSignal): Promise<number | undefined> {
  try {
    return await ctx.clerk?.countUsers({ signal, deadlineMs: countDeadlineMs });
  } catch (error) {
    ctx.log.debug({ err: error }, "[Cli] Clerk did not tell the number of users; the progress has no total");
    return undefined;
  }
}

interface Progress {
  readonly everyMs: number;
  readonly setTotal: (users: number | undefined) => void;
  readonly show: (run: SyncRun) => void;
  readonly close: (run?: SyncRun) => void;
}

function openProgress(output: Output, kind: RunKind): Progress {
  let total: number | undefined;
  const setTotal = (users: number | undefined): void => {
    total = users;
  };
  if (output.json) {
    return {
      everyMs: lineEveryMs,
      setTotal,
      show: (run) => output.answer(run, []),
      close: () => undefined,
    };
  }
  if (!process.stdout.isTTY) {
    const show = (run: SyncRun): void => {
      const of = total === undefined ? "" : ` of ${total}`;
      console.log(`${kind}: ${run.seen}${of} users looked at, ${run.applied} written, ${run.deleted} deleted`);
    };
    return { everyMs: lineEveryMs, setTotal, show, close: () => undefined };
  }
  const bar = new cliProgress.SingleBar({
    format: `${kind} [{bar}] {value} of {total} users, {applied} written{left}`,
    hideCursor: true,
  });
  const startedAtMs = Date.now();
  let isShown = false;
  const show = (run: SyncRun): void => {
    // A bar needs a total.
    if (total === undefined) return;
    if (!isShown) bar.start(total, 0, { applied: 0, left: "" });
    isShown = true;
    const leftSeconds = Math.round(((Date.now() - startedAtMs) / 1000) * (total / run.seen - 1));
    const left = run.seen > 0 && leftSeconds > 0 ? `, ${leftSeconds} s left` : "";
    bar.setTotal(Math.max(total, run.seen));
    bar.update(run.seen, { applied: run.applied, left });
  };
  return {
    everyMs: barEveryMs,
    setTotal,
    show,
    close: (run) => {
      if (run) show(run);
      if (isShown) bar.stop();
    },
  };
}
