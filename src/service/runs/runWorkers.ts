import type { OpenRun } from "../../store/runs/runLease.ts";
import { RunStopped, type StopReason } from "./runContext.ts";
import { workOnRun, type RunsWorkerDeps } from "./workOnRun.ts";

const defaultClerkRetryMs = 2_000;

export type RunWorkersDeps = Omit<RunsWorkerDeps, "owner" | "clerkRetryMs"> & {
  readonly clerkRetryMs?: number | undefined;
};

/** The runs that this process works on. */
export interface RunWorkers {
  readonly owner: string;
  readonly work: (run: OpenRun) => void;
  /** Resolves when this process no longer works on the run. */
  readonly stop: (runId: string, reason: StopReason) => Promise<void>;
  readonly waitFor: (runId: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

export function createRunWorkers(deps: RunWorkersDeps): RunWorkers {
  const owner = crypto.randomUUID();
  const runs = new Map<string, { controller: AbortController; ended: Promise<void> }>();
  let isClosed = false;

  async function stop(runId: string, reason: StopReason): Promise<void> {
    const run = runs.get(runId);
    run?.controller.abort(new RunStopped(reason));
    await run?.ended;
  }

  return {
    owner,
    work: (run) => {
      const controller = new AbortController();
      const worker = { ...deps, owner, clerkRetryMs: deps.clerkRetryMs ?? defaultClerkRetryMs };
      const ended = workOnRun(worker, run, controller).finally(() => runs.delete(run.runId));
      runs.set(run.runId, { controller, ended });
      // Opened while this process was already going.
      if (isClosed) controller.abort(new RunStopped("shutdown"));
    },
    stop,
    waitFor: async (runId) => {
      await runs.get(runId)?.ended;
    },
    close: async () => {
      isClosed = true;
      await Promise.all([...runs.keys()].map((runId) => stop(runId, "shutdown")));
    },
  };
}
