import type { RunKind } from "../../domain/syncRun.ts";
import type { Database } from "../connection/database.ts";
import { databaseNow } from "../migration/sqlFunctions.ts";
import { toIsoTime } from "../toIsoTime.ts";

/** Two weekends, so that a team's rhythm shows. */
const rhythmDays = 14;
/** With less of a past nothing can be called usual. */
const pastDaysMin = 7;
const ruleNamesMax = 3;

/** Events that wait for an operator. */
export interface WaitingEvents {
  readonly count: number;
  /** Arrival of the oldest; null without one. */
  readonly since: string | null;
}

/** What alarms are judged by, beside the figures of `sync.status`. */
export interface AlarmFigures {
  /** Dead events that no rule of the database refused. */
  readonly dead: WaitingEvents;
  /** Events that a rule of the database refused, and the names of up to three such rules. */
  readonly refused: WaitingEvents & { readonly rules: readonly string[] };
  /** The newest run that ended by itself, if it failed; `since`: when the first of the failures in a row ended. */
  readonly failure: { readonly kind: RunKind; readonly error: string | null; readonly since: string } | null;
  /** The longest time between two hours with deliveries in the last 14 days; null with less than a week's past. */
  readonly usualSilenceMs: number | null;
  /** When the oldest run that is kept began; null without one. */
  readonly firstRunAt: string | null;
  /** Events of the last 24 hours whose lag is known. */
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

/** Read from partial indexes and counters: cheap whatever the size of the ledger. */
export async function findAlarmFigures(database: Database): Promise<AlarmFigures> {
  const [row] = await database.run(
    (sql) => sql<Row[]>`
      select
        (select json_build_object('count', count(*), 'since', min(received_at)) from public.webhook_events
         where outcome = 'dead' and error_code is distinct from 'refused') as dead,
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
  if (row === undefined) throw new Error("The alarms' figures answered no row");
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
