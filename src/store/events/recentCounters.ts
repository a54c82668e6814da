import type { ISql, PendingQuery, Row } from "postgres";

/**
 * The counters of the one second that has not been folded, as part of a statement. The table holds no other second; the
 * newest one is looked up by the index, which skips the dead row versions that remain while another program holds a
 * snapshot.
 */
export function recentCounters(sql: ISql): PendingQuery<Row[]> {
  return sql`(
    select second, outcome, lag_bucket, events, lag_ms_sum from public.event_counters_recent
    where second = (select second from public.event_counters_recent order by second desc limit 1)
  )`;
}
