/** `backfill` writes every user of Clerk; `reconcile` also finds drift and deletions. */
export type RunKind = "backfill" | "reconcile";
/** State of a run; all but `running` are final. */
export type RunStatus = "running" | "done" | "failed" | "cancelled";

/** Record of a backfill or reconcile. In a dry run the figures say what would happen. */
export interface SyncRun {
  readonly runId: string;
  readonly kind: RunKind;
  readonly status: RunStatus;
  readonly dryRun: boolean;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  /** Users of Clerk compared so far. */
  readonly seen: number;
  /** Users written, without deletions. */
  readonly applied: number;
  readonly unchanged: number;
  readonly stale: number;
  readonly deleted: number;
  /** Sum of `driftByKind`; counted by reconciles only. */
  readonly drift: number;
  readonly driftByKind: { readonly missing: number; readonly stale: number; readonly deleted: number };
  /** Shown to the operator: why the run failed, or which elements a finished run skipped. */
  readonly error: string | null;
}
