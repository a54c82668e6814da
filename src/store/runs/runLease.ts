import type { RunCursor } from "../../domain/runCursor.ts";
import type { RunKind, RunStatus } from "../../domain/syncRun.ts";
import type { Database } from "../connection/database.ts";
import { databaseNow } from "../migration/sqlFunctions.ts";
import { fromWire, toWire } from "../wire.ts";

const leaseDeadlineMs = 5_000;
/** A run whose process died can be taken over within 10 s; a lease is renewed several times in its life. */
export const leaseMs = 7_000;

/** A run that this process works on. */
export interface OpenRun {
  readonly runId: string;
  readonly kind: RunKind;
  readonly dryRun: boolean;
  /** A reconcile: whether it compares every user, or only what changed since the last. */
  readonly full: boolean;
  /** Users it has deleted so far. */
  readonly deleted: number;
  /** Null: nothing is done yet. */
  readonly cursor: RunCursor | null;
}

/** For the schedule: what it has to know to leave the database alone. */
interface ScheduleAnswer {
  /** What the last finished reconcile saw of Clerk; null: none has, or it was an older program's. */
  readonly snapshot?: string | null;
  /** When the full run of the day is due, in milliseconds. */
  readonly fullInMs?: number;
}

export type OpenRunAnswer = ScheduleAnswer &
  (
    | { readonly run: OpenRun }
    /** One of this kind is running, its lease valid until then (Postgres' own notation). */
    | { readonly busy: { readonly runId: string; readonly leaseUntil: string } }
    /** The schedule's next run of this kind is due in so many milliseconds. */
    | { readonly dueInMs: number }
    /** Nothing to take over. */
    | { readonly none: true }
  );

/** Opens a run or takes over one whose process died; of several processes one succeeds. See `open_run.sql`. */
export async function openRun(
  database: Database,
  input: {
    runId: string;
    owner: string;
    kind: RunKind;
    dryRun: boolean;
    startedBy: "person" | "schedule";
    full: boolean;
    /** What an older run saw within this time may be built on. */
    resumeMs: number;
    /** For the schedule. */
    everyMs?: number | undefined;
    /** For the schedule: when its first run is due if there was none yet. */
    firstDueInMs?: number | undefined;
    /** Only take over. */
    adopt?: boolean | undefined;
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

/** Says that the process is alive. `lost`: the run is no longer this process's. */
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

/** From now on the run compares every user; those whom it has looked at are not counted yet. */
export async function widenRun(database: Database, { runId, owner }: { runId: string; owner: string }): Promise<void> {
  await database.run(
    (sql) => sql`
      update public.sync_runs set "full" = true, seen = 0, unchanged = 0, stale = 0
      where id = ${runId} and status = 'running' and lease_owner = ${owner}`,
    { deadlineMs: leaseDeadlineMs },
  );
}

/** Lets another process go on at once. */
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

/** The end of a run, if it is still this process's. */
export async function finishRun(
  database: Database,
  input: {
    runId: string;
    owner: string;
    status: Exclude<RunStatus, "running">;
    error: string | null;
    /** Whether a new run may go on where this one stopped. */
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

/** Asks the process that works on the run to stop; a run that no process works on ends at once. */
export async function requestCancel(database: Database, runId: string): Promise<void> {
  await database.run(
    (sql) => sql`
      update public.sync_runs
      set cancel_requested_at = ${databaseNow(sql)},
          status = case when lease_until > ${databaseNow(sql)} then status else 'cancelled' end,
          finished_at = case when lease_until > ${databaseNow(sql)} then finished_at else ${databaseNow(sql)} end
      where id = ${runId} and status = 'running'`,
    { deadlineMs: leaseDeadlineMs },
  );
}
