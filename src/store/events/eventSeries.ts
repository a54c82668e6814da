import type { Database } from "../connection/database.ts";
import { findPercentileMs, type LagGroup } from "../status/figures.ts";
import { toIsoTime } from "../toIsoTime.ts";
import { databaseNow } from "../migration/sqlFunctions.ts";
import { recentCounters } from "./recentCounters.ts";

/** Deliveries of one hour by outcome. Lag: from Clerk's `timestamp` to the commit; null if unknown. */
export interface EventHour {
  /** Start of the hour, ISO 8601. */
  readonly hour: string;
  readonly applied: number;
  readonly unchanged: number;
  readonly stale: number;
  readonly ignored: number;
  readonly dead: number;
  readonly duplicate: number;
  readonly lagP50Ms: number | null;
  readonly lagP95Ms: number | null;
}

/** The hours with deliveries among the last `hours` hours, oldest first. */
export async function listEventHours(database: Database, { hours }: { hours: number }): Promise<EventHour[]> {
  const rows = await database.run(
    (sql) => sql<{ hour: string; outcomes: Record<string, number> | null; lags: LagGroup[] | null }[]>`
      with counters as not materialized (
        select * from (
          select hour, outcome, lag_bucket, events, lag_ms_sum from public.event_counters
          union all
          select date_trunc('hour', second, 'UTC'), outcome, lag_bucket, events, lag_ms_sum
          from ${recentCounters(sql)} r
        ) c
        where hour >= date_trunc('hour', ${databaseNow(sql)}, 'UTC') - make_interval(hours => ${hours}::int)
      )
      select hour, o.outcomes, l.lags
      from (
        select hour, json_object_agg(outcome, total) as outcomes
        from (select hour, outcome, sum(events) as total from counters group by hour, outcome) c group by hour
      ) o left join (
        select hour, json_agg(json_build_array(total, lag_ms_sum) order by lag_bucket) as lags
        from (
          select hour, lag_bucket, sum(events) as total, sum(lag_ms_sum) as lag_ms_sum
          from counters where lag_bucket >= 0 group by hour, lag_bucket
        ) c group by hour
      ) l using (hour)
      order by hour`,
  );
  return rows.map(({ hour, outcomes, lags }) => ({
    hour: toIsoTime(hour),
    applied: outcomes?.["applied"] ?? 0,
    unchanged: outcomes?.["unchanged"] ?? 0,
    stale: outcomes?.["stale"] ?? 0,
    ignored: outcomes?.["ignored"] ?? 0,
    dead: outcomes?.["dead"] ?? 0,
    duplicate: outcomes?.["duplicate"] ?? 0,
    lagP50Ms: findPercentileMs(lags ?? [], 0.5),
    lagP95Ms: findPercentileMs(lags ?? [], 0.95),
  }));
}
