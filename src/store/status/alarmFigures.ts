import type { RunKind } from "../../domain/syncRun.ts";
import type { Database } from "../connection/database.ts";
import { databaseNow } from "../migration/sqlFunctions.ts";
import { toIsoTime } from "../toIsoTime.ts";

/** Window for the usual silence: contains two weekends. */
const rhythmDays = 14;
/** Minimum history for a usual silence. */
const pastDaysMin = 7;
const ruleNamesMax = 3;

/** Number and age of events that need an operator. */
export interface WaitingEvents {
  readonly count: number;
  /** Arrival of the oldest, ISO 8601; null if there is none. */
  readonly since: string | null;
}

/** Input of `findAlarms` beside the figures of `sync.status`. */
export interface AlarmFigures {
  /** Dead events that can still be acted on: not refused, payload kept, user not stored or deleted since. */
  readonly dead: WaitingEvents;
  /** Events that a rule of the database refused, and the names of up to three such rules. */
  readonly refused: WaitingEvents & { readonly rules: readonly string[] };
  /** The newest run that is `done` or `failed`, if it failed; `since`: end of the first of the consecutive failures. */
  readonly failure: { readonly kind: RunKind; readonly error: string | null; readonly since: string } | null;
  /** Longest gap between two hours with deliveries in the last 14 days; null with less than a week of history. */
  readonly usualSilenceMs: number | null;
  /** Start of the oldest stored run, ISO 8601; null without one. */
  readonly firstRunAt: string | null;
  /** Number of events in the last 24 hours with a known lag. */
  readonly lagEvents: number;
}

interface Row {
  readonly dead: WaitingEvents;
  readonly refused: WaitingEvents & { readonly rules: string[] | null };
  readonly run: { kind: RunKind; status: string; error: string | null; since: string | null } | null;
  readonly usual: number | null;
  readonly firstRun: string | null;
  readonly lagEvents: number;
}

/** Reads partial indexes and counters only: cheap whatever the size of the ledger. */
export async function findAlarmFigures(database: Database): Promise<AlarmFigures> {
  const [row] = await database.run(
    (sql) => sql<Row[]>`
      select
        (select json_build_object('count', count(*), 'since', min(e.received_at)) from public.webhook_events e
         where e.outcome = 'dead' and e.error_code is distinct from 'refused' and e.payload is not null
           and not exists (select from public.users u where u.clerk_id = e.clerk_id and u.synced_at > e.received_at)
        ) as dead,
        (select json_build_object('count', count(*), 'since', min(received_at),
                                  'rules', (array_agg(distinct error_detail))[1:${ruleNamesMax}::int])
         from public.webhook_events where error_code = 'refused') as refused,
        (select json_build_object('kind', r.kind, 'status', r.status, 'error', r.error, 'since', (
           select min(f.finished_at) from public.sync_runs f where f.status = 'failed' and f.started_at > coalesce(
             (select d.started_at from public.sync_runs d where d.status = 'done'
              order by d.started_at desc nulls last limit 1), '-infinity')))
         from public.sync_runs r where r.status in ('done', 'failed')
         order by r.started_at desc nulls last, r.id desc nulls last limit 1) as run,
        (select extract(epoch from max(gap))::float8 * 1000 from (
           select hour - lag(hour) over (order by hour) as gap, min(hour) over () as first_hour
           from (select distinct hour from public.event_counters
                 where hour >= ${databaseNow(sql)} - make_interval(days => ${rhythmDays})) hours) gaps
         where first_hour <= ${databaseNow(sql)} - make_interval(days => ${pastDaysMin})) as usual,
        to_json((select min(started_at) from public.sync_runs)) as "firstRun",
        (select coalesce(sum(events), 0)::float8 from public.event_counters
         where hour >= ${databaseNow(sql)} - interval '24 hours' and lag_bucket >= 0) as "lagEvents"`,
  );
  if (row === undefined) throw new Error("The query for alarm figures returned no row");
  const { dead, refused, run } = row;
  const failed = run?.status === "failed" && run.since !== null ? { ...run, since: toIsoTime(run.since) } : null;
  return {
    dead: toWaiting(dead),
    refused: { ...toWaiting(refused), rules: refused.rules?.filter((rule) => rule !== null) ?? [] },
    failure: failed && { kind: failed.kind, error: failed.error, since: failed.since },
    usualSilenceMs: row.usual,
    firstRunAt: row.firstRun === null ? null : toIsoTime(row.firstRun),
    lagEvents: row.lagEvents,
  };
}

function toWaiting({ count, since }: WaitingEvents): WaitingEvents {
  return { count, since: since === null ? null : toIsoTime(since) };
}
