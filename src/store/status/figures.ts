import type { Database } from "../connection/database.ts";
import { recentCounters } from "../events/recentCounters.ts";
import { toIsoTime } from "../toIsoTime.ts";
import { databaseNow, functionsSchema } from "../migration/sqlFunctions.ts";
import { fromWire } from "../wire.ts";

/** Counting a million users takes 0.4 s, and 5.3 s before the first vacuum on a busy machine (both measured). */
const countDeadlineMs = 15_000;
/** Window of the lag percentiles. */
const lagWindowHours = 24;

/** Numbers of users, and of active users by link status. */
export interface UserFigures {
  readonly users: { readonly total: number; readonly active: number; readonly deleted: number };
  /** Active users whose status is not `none`. */
  readonly links: {
    readonly linked: number;
    readonly unverified: number;
    readonly noEmail: number;
    readonly conflict: number;
  };
}

/** Numbers of events by outcome since the beginning, and recent lag. Times are ISO 8601. */
export interface EventFigures {
  readonly events: Readonly<Record<"applied" | "unchanged" | "stale" | "ignored" | "dead", number>>;
  readonly duplicates: number;
  readonly lastEventAt: string | null;
  /** From Clerk's `timestamp` to the commit, over the last 24 hours; null without an event. */
  readonly lag: { readonly p50Ms: number | null; readonly p95Ms: number | null };
  readonly oldestDeadAt: string | null;
}

/** Counts users and links in one snapshot. */
export async function findUserFigures(database: Database): Promise<UserFigures> {
  const rows = await database.run(
    (sql) => sql<{ figures: unknown }[]>`select ${sql(functionsSchema)}.user_figures() as figures`,
    { deadlineMs: countDeadlineMs },
  );
  const row = rows[0];
  if (!row) throw new Error("user_figures returned no row");
  return fromWire(row.figures) as UserFigures;
}

/** Reads the counters: exact, and independent of the size of the ledger. */
export async function findEventFigures(database: Database): Promise<EventFigures> {
  const rows = await database.run(
    (sql) => sql<
      {
        totals: Record<string, number> | null;
        lags: LagGroup[] | null;
        last: string | null;
        dead: string | null;
      }[]
    >`
      select
        (select json_object_agg(outcome, events) from (
           select outcome, sum(events) as events from (
             select outcome, events from public.event_counters where hour = '-infinity'
             union all select outcome, events from ${recentCounters(sql)} r
           ) t group by outcome) o) as totals,
        (select json_agg(json_build_array(events, lag_ms_sum) order by lag_bucket) from (
           select lag_bucket, sum(events) as events, sum(lag_ms_sum) as lag_ms_sum from (
             select hour as counted_at, lag_bucket, events, lag_ms_sum from public.event_counters
             union all select second, lag_bucket, events, lag_ms_sum from ${recentCounters(sql)} r
           ) c
           where counted_at >= ${databaseNow(sql)} - make_interval(hours => ${lagWindowHours}) and lag_bucket >= 0
           group by lag_bucket) l) as lags,
        (select max(received_at) from public.webhook_events) as last,
        (select min(received_at) from public.webhook_events where outcome = 'dead') as dead`,
  );
  const row = rows[0];
  const count = (outcome: string) => row?.totals?.[outcome] ?? 0;
  const lags = row?.lags ?? [];
  return {
    events: {
      applied: count("applied"),
      unchanged: count("unchanged"),
      stale: count("stale"),
      ignored: count("ignored"),
      dead: count("dead"),
    },
    duplicates: count("duplicate"),
    lastEventAt: row?.last == null ? null : toIsoTime(row.last),
    lag: { p50Ms: findPercentileMs(lags, 0.5), p95Ms: findPercentileMs(lags, 0.95) },
    oldestDeadAt: row?.dead == null ? null : toIsoTime(row.dead),
  };
}

/** One bucket of the lag histogram (lags within 10 % of one another): number of events, and sum of lags in ms. */
export type LagGroup = readonly [events: number, lagMsSum: number];

/** Mean lag of the bucket that contains the percentile; null without events. @param groups in ascending order */
export function findPercentileMs(groups: readonly LagGroup[], share: number): number | null {
  const total = groups.reduce((sum, [events]) => sum + events, 0);
  let seen = 0;
  for (const [events, lagMsSum] of groups) {
    seen += events;
    if (seen >= total * share) return Math.round(lagMsSum / events);
  }
  return null;
}
