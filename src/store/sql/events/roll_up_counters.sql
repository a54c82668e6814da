-- Folds old counters, oldest first. Lags are kept for 31 days (the longest series of hours), hours for a year, days for ten
-- years, then only years. All counts are preserved. Days and years are in UTC.
-- limits: {"row_limit": number}. Returns how many rows it folded, row_limit at most. Called by retention. The counts of the
-- last second are moved to their hour as well, so that event_counters is complete on a quiet instance.
create function clerk_sync.roll_up_counters(limits jsonb) returns integer
language plpgsql
set lock_timeout = '3s'
as $$
declare
  row_limit constant integer := limits ->> 'row_limit';
  started_at constant timestamptz := clerk_sync.clock();
  -- Rounded down to the start of the target period, so that no target row is itself due for folding.
  fold_to_year_before constant timestamptz := date_trunc('year', started_at - interval '10 years', 'UTC');
  fold_to_day_before constant timestamptz := date_trunc('day', started_at - interval '1 year', 'UTC');
  drop_lags_before constant timestamptz := date_trunc('hour', started_at - interval '31 days', 'UTC');
  old public.event_counters[];
begin
  -- Before the lock, because this reads the whole history. Rows that another process folds in between are not found below.
  old := array(
    select k from public.event_counters k
    where k.hour > '-infinity' and k.hour < drop_lags_before
      and (k.lag_bucket >= 0
           or k.hour < fold_to_day_before and extract(epoch from k.hour) % 86400 <> 0
           or k.hour < fold_to_year_before and k.hour <> date_trunc('year', k.hour, 'UTC'))
    order by k.hour limit row_limit);
  perform clerk_sync.lock_writer();
  perform clerk_sync.fold_counters(k.second)
  from (select distinct second from public.event_counters_recent where second < date_trunc('second', started_at)) k;

  with removed as (
    delete from public.event_counters k using unnest(old) o
    where k.hour = o.hour and k.outcome = o.outcome and k.lag_bucket = o.lag_bucket
    returning k.hour, k.outcome, k.events
  )
  insert into public.event_counters as k (hour, outcome, lag_bucket, events)
  select date_trunc(case when r.hour < fold_to_year_before then 'year'
                         when r.hour < fold_to_day_before then 'day' else 'hour' end, r.hour, 'UTC'),
         r.outcome, -1, sum(r.events)
  from removed r group by 1, 2
  on conflict (hour, outcome, lag_bucket) do update set events = k.events + excluded.events;
  return cardinality(old);
end
$$;
