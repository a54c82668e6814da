-- Moves the counts of one second to its hour and to the totals. Called by settle_deliveries and roll_up_counters.
-- Events are counted by the second, and the first batch of a later second folds it: an upsert reads all versions of its
-- row, and none can be vacuumed while another program holds a snapshot. There is at most one second to fold, because each
-- batch folds under the writer's lock.
create function clerk_sync.fold_counters(counted_second timestamptz) returns void
language sql volatile
as $$
  with folded as (
    delete from public.event_counters_recent k where k.second = counted_second
    returning k.second, k.outcome, k.lag_bucket, k.events, k.lag_ms_sum
  )
  insert into public.event_counters as k (hour, outcome, lag_bucket, events, lag_ms_sum)
  select h.hour, f.outcome, h.lag_bucket, sum(f.events), sum(h.lag_ms_sum)
  from folded f
    cross join lateral (values
      (date_trunc('hour', f.second, 'UTC'), f.lag_bucket, f.lag_ms_sum), ('-infinity', -1::smallint, 0))
      as h(hour, lag_bucket, lag_ms_sum)
  group by h.hour, f.outcome, h.lag_bucket
  on conflict (hour, outcome, lag_bucket) do update
    set events = k.events + excluded.events, lag_ms_sum = k.lag_ms_sum + excluded.lag_ms_sum
$$;

-- Subtracts dead and ignored events from the counters before they are reprocessed. The row of the hour can become negative,
-- because the counts may be in the row of the day already, or still in event_counters_recent. The next fold corrects it.
create function clerk_sync.uncount_events(events public.webhook_events[]) returns void
language sql volatile
as $$
  insert into public.event_counters as k (hour, outcome, lag_bucket, events)
  select h.hour, e.outcome, -1, -count(*)
  from unnest(uncount_events.events) e
    cross join lateral (values (date_trunc('hour', e.settled_at, 'UTC')), ('-infinity')) as h(hour)
  group by h.hour, e.outcome
  on conflict (hour, outcome, lag_bucket) do update set events = k.events + excluded.events
$$;
