/**
 * Why a run stops before its end. `cancelled`: at an operator's request; `interrupted`: at the terminal, the next
 * start resumes; `shutdown`: this process ends, another may resume; `lost`: another process holds the lease.
 */
export type StopReason = "cancelled" | "interrupted" | "shutdown" | "lost";

export class RunStopped extends Error {
  readonly reason: StopReason;

  constructor(reason: StopReason) {
    super(`The run stops: ${reason}`);
    this.name = "RunStopped";
    this.reason = reason;
  }
}
