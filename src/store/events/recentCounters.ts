import type { ISql, PendingQuery, Row } from "postgres";

/**
 * The counters of the one second that has not been folded, as part of a statement. Found by its time: the table has no
 * other row, but as many dead ones as a snapshot that another program holds keeps.
 */
export function recentCounters(sql: ISql): PendingQuery<Row[]> {
  return sql`(
    select second, outcome, lag_bucket, events, lag_ms_sum from public.event_counters_recent
    where second = (select second from public.event_counters_recent order by second desc limit 1)
  )`;
}
