import type { RunCursor } from "../../domain/runCursor.ts";
import type { RunKind, RunStatus } from "../../domain/syncRun.ts";
import type { Database } from "../connection/database.ts";
import { databaseNow } from "../migration/sqlFunctions.ts";
import { fromWire, toWire } from "../wire.ts";

const leaseDeadlineMs = 5_000;
/** A run whose process died can be taken over within 10 s, also if Clerk answers slowly. The lease is renewed every 2 s. */
export const leaseMs = 6_000;

/** A run whose lease this process holds. */
export interface OpenRun {
  readonly runId: string;
  readonly kind: RunKind;
  readonly dryRun: boolean;
  /** Whether a reconcile is full or incremental. */
  readonly full: boolean;
  /** Users deleted so far. */
  readonly deleted: number;
  /** Null before the first page. */
  readonly cursor: RunCursor | null;
}

/** Set if `everyMs` was given: input of `SleepPlan`. */
interface ScheduleAnswer {
  /** `ClerkSnapshot.text` of the last finished reconcile; null: none, or it was by an older version. */
  readonly snapshot?: string | null;
  /** Milliseconds until the daily full reconcile is due. */
  readonly fullInMs?: number;
}

/** Answer of `openRun`. */
export type OpenRunAnswer = ScheduleAnswer &
  (
    | { readonly run: OpenRun }
    /** A run of this kind is in progress; its lease ends at `leaseUntil` (Postgres' notation). */
    | { readonly busy: { readonly runId: string; readonly leaseUntil: string } }
    /** Milliseconds until the scheduled run is due. */
    | { readonly dueInMs: number }
    /** `takeOverOnly` was given, and there is no run to take over. */
    | { readonly none: true }
  );

/** Opens a run, resumes a stopped one or takes over one whose lease has expired. See open_run.sql. */
export async function openRun(
  database: Database,
  input: {
    runId: string;
    owner: string;
    kind: RunKind;
    dryRun: boolean;
    startedBy: "person" | "schedule";
    full: boolean;
    /** How old a stopped run may be to be resumed. */
    resumeMs: number;
    /** Interval of the schedule; only for a scheduled run. */
    everyMs?: number | undefined;
    /** When the very first scheduled run is due. */
    firstDueInMs?: number | undefined;
    /** Only take over an existing run. */
    takeOverOnly?: boolean | undefined;
  },
): Promise<OpenRunAnswer> {
  const argument = toWire({ ...input, leaseMs });
  return toOpenRunAnswer(await database.callFunction("open_run", argument, { deadlineMs: leaseDeadlineMs }));
}

function toOpenRunAnswer(answer: unknown): OpenRunAnswer {
  const { run, ...other } = fromWire(answer) as { run?: Omit<OpenRun, "runId"> & { id: string } };
  if (!run) return other as OpenRunAnswer;
  const { id: runId, kind, dryRun, full, deleted, cursor } = run;
  return { ...(other as ScheduleAnswer), run: { runId, kind, dryRun, full, deleted, cursor } };
}

/** Heartbeat. `lost`: another process holds the lease, or the run is no longer running. */
export async function renewLease(
  database: Database,
  { runId, owner }: { runId: string; owner: string },
): Promise<"held" | "cancelled" | "lost"> {
  const rows = await database.run(
    (sql) => sql<{ cancelled: boolean }[]>`
      update public.sync_runs set lease_until = ${databaseNow(sql)} + make_interval(secs => ${leaseMs / 1000})
      where id = ${runId} and status = 'running' and lease_owner = ${owner}
      returning cancel_requested_at is not null as cancelled`,
    { deadlineMs: leaseDeadlineMs },
  );
  const row = rows[0];
  if (!row) return "lost";
  return row.cancelled ? "cancelled" : "held";
}

/** Turns an incremental run into a full one and resets its counts of users seen. */
export async function widenRun(database: Database, { runId, owner }: { runId: string; owner: string }): Promise<void> {
  await database.run(
    (sql) => sql`
      update public.sync_runs set "full" = true, seen = 0, unchanged = 0, stale = 0
      where id = ${runId} and status = 'running' and lease_owner = ${owner}`,
    { deadlineMs: leaseDeadlineMs },
  );
}

/** Ends the lease now, so that another process can take over at once. */
export async function releaseLease(
  database: Database,
  { runId, owner }: { runId: string; owner: string },
): Promise<void> {
  await database.run(
    (sql) => sql`
      update public.sync_runs set lease_until = ${databaseNow(sql)}
      where id = ${runId} and status = 'running' and lease_owner = ${owner}`,
    { deadlineMs: leaseDeadlineMs },
  );
}

/** Records the end of a run; does nothing if this process no longer holds the lease. */
export async function finishRun(
  database: Database,
  input: {
    runId: string;
    owner: string;
    status: Exclude<RunStatus, "running">;
    error: string | null;
    /** Whether a new run may resume from the cursor. */
    resumable: boolean;
  },
): Promise<void> {
  await database.run(
    (sql) => sql`
      with finished as (
        update public.sync_runs
        set status = ${input.status}, error = ${input.error}, finished_at = ${databaseNow(sql)}, lease_owner = null,
            lease_until = null,
            cursor = case when ${input.resumable} then cursor else cursor || '{"resumable": false}' end
        where id = ${input.runId} and status = 'running' and lease_owner = ${input.owner}
        returning id
      )
      delete from public.sync_run_pages where run_id in (select id from finished) and not ${input.resumable}`,
    { deadlineMs: leaseDeadlineMs },
  );
}

/** Requests the run to stop; a run without a valid lease is cancelled at once. */
export async function requestCancel(database: Database, runId: string): Promise<void> {
  await database.run(
    (sql) => sql`
      update public.sync_runs
      set cancel_requested_at = ${databaseNow(sql)},
          status = case when lease_until > ${databaseNow(sql)} then status else 'cancelled' end,
          finished_at = case when lease_until > ${databaseNow(sql)} then finished_at else lease_until end
      where id = ${runId} and status = 'running'`,
    { deadlineMs: leaseDeadlineMs },
  );
}
