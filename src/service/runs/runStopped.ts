/**
 * Why a run stops before its end. `cancelled`: by an operator; `interrupted`: Ctrl-C at the terminal, the next start
 * resumes it; `shutdown`: this process ends, another may resume it; `lost`: another process holds the lease.
 */
export type StopReason = "cancelled" | "interrupted" | "shutdown" | "lost";

/** Abort reason of a run's signal. */
export class RunStopped extends Error {
  readonly reason: StopReason;

  constructor(reason: StopReason) {
    super(`The run was stopped: ${reason}`);
    this.name = "RunStopped";
    this.reason = reason;
  }
}
