import type { RunCursor } from "../../domain/runCursor.ts";
import type { RunKind, RunStatus } from "../../domain/syncRun.ts";
import type { Database } from "../connection/database.ts";

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

export type OpenRunAnswer =
  | { readonly run: OpenRun }
  /** One of this kind is running, its lease valid until then (Postgres' own notation). */
  | { readonly busy: { readonly runId: string; readonly leaseUntil: string } }
  /** The schedule's next run of this kind is due in so many milliseconds. */
  | { readonly dueInMs: number }
  /** Nothing to take over. */
  | { readonly none: true };

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
  const argument = {
    run_id: input.runId,
    owner: input.owner,
    kind: input.kind,
    dry_run: input.dryRun,
    started_by: input.startedBy,
    full: input.full,
    lease_ms: leaseMs,
    resume_ms: input.resumeMs,
    ...(input.everyMs === undefined ? {} : { every_ms: input.everyMs }),
    ...(input.firstDueInMs === undefined ? {} : { first_due_in_ms: input.firstDueInMs }),
    ...(input.adopt ? { adopt: true } : {}),
  };
  const answer = await database.callFunction("open_run", JSON.stringify(argument), { deadlineMs: leaseDeadlineMs });
  return toOpenRunAnswer(answer);
}

interface OpenRunJson {
  readonly run?: {
    id: string;
    kind: RunKind;
    dry_run: boolean;
    full: boolean;
    deleted: number;
    cursor: RunCursor | null;
  };
  readonly busy?: { run_id: string; lease_until: string };
  readonly due_in_ms?: number;
}

function toOpenRunAnswer(answer: unknown): OpenRunAnswer {
  const { run, busy, due_in_ms: dueInMs } = answer as OpenRunJson;
  if (run) {
    const { id: runId, kind, dry_run: dryRun, full, deleted, cursor } = run;
    return { run: { runId, kind, dryRun, full, deleted, cursor } };
  }
  if (busy) return { busy: { runId: busy.run_id, leaseUntil: busy.lease_until } };
  return dueInMs === undefined ? { none: true } : { dueInMs };
}

/** Says that the process is alive. `lost`: the run is no longer this process's. */
export async function renewLease(
  database: Database,
  { runId, owner }: { runId: string; owner: string },
): Promise<"held" | "cancelled" | "lost"> {
  const rows = await database.run(
    (sql) => sql<{ cancelled: boolean }[]>`
      update sync_runs set lease_until = clock_timestamp() + make_interval(secs => ${leaseMs / 1000})
      where id = ${runId} and status = 'running' and lease_owner = ${owner}
      returning cancel_requested_at is not null as cancelled`,
    { deadlineMs: leaseDeadlineMs },
  );
  const row = rows[0];
  if (!row) return "lost";
  return row.cancelled ? "cancelled" : "held";
}

/** Lets another process go on at once. */
export async function releaseLease(
  database: Database,
  { runId, owner }: { runId: string; owner: string },
): Promise<void> {
  await database.run(
    (sql) => sql`
      update sync_runs set lease_until = clock_timestamp()
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
        update sync_runs
        set status = ${input.status}, error = ${input.error}, finished_at = clock_timestamp(), lease_owner = null,
            lease_until = null,
            cursor = case when ${input.resumable} then cursor else cursor || '{"resumable": false}' end
        where id = ${input.runId} and status = 'running' and lease_owner = ${input.owner}
        returning id
      )
      delete from sync_run_pages where run_id in (select id from finished) and not ${input.resumable}`,
    { deadlineMs: leaseDeadlineMs },
  );
}

/** Asks whoever works on the run to stop; one that nobody works on any more ends at once. */
export async function requestCancel(database: Database, runId: string): Promise<void> {
  await database.run(
    (sql) => sql`
      update sync_runs
      set cancel_requested_at = clock_timestamp(),
          status = case when lease_until > clock_timestamp() then status else 'cancelled' end,
          finished_at = case when lease_until > clock_timestamp() then finished_at else clock_timestamp() end
      where id = ${runId} and status = 'running'`,
    { deadlineMs: leaseDeadlineMs },
  );
}
