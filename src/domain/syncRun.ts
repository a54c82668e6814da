export type RunKind = "backfill" | "reconcile";
export type RunStatus = "running" | "done" | "failed" | "cancelled";

/** A backfill or reconcile, as it goes on or went. In a dry run the figures say what would happen. */
export interface SyncRun {
  readonly runId: string;
  readonly kind: RunKind;
  readonly status: RunStatus;
  readonly dryRun: boolean;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  /** Users of Clerk that were looked at. */
  readonly seen: number;
  /** Users written, deletions left out. */
  readonly applied: number;
  readonly unchanged: number;
  readonly stale: number;
  readonly deleted: number;
  /** Users that were missing, out of date or gone; counted by reconciles only. */
  readonly drift: number;
  readonly driftByKind: { readonly missing: number; readonly stale: number; readonly deleted: number };
  /** For people: why it failed, or what one that is done left out. */
  readonly error: string | null;
}
