-- How many events of one outcome, and of one lag (see public.event_counters), a batch has.
create type clerk_sync.event_count as (outcome text, lag_bucket smallint, events bigint, lag_ms_sum double precision);

-- Adds the events of one batch to the figures. Called by settle_deliveries and settle_refused.
-- They are counted by the second, and the second is folded into its hour by the first batch after it: an upsert reads all
-- versions of its row, and while another program holds a snapshot none of them goes. There is never more than one second
-- to fold, because each batch sees to it under the writer's lock.
create function clerk_sync.count_events(counts clerk_sync.event_count[], applied_at timestamptz) returns void
language plpgsql
as $$
declare
  applied_second constant timestamptz := date_trunc('second', applied_at);
  counted_second timestamptz;
begin
  if cardinality(counts) = 0 then
    return;
  end if;
  counted_second := (select k.second from public.event_counters_recent k order by k.second desc limit 1);
  if counted_second <> applied_second then
    perform clerk_sync.fold_counters(counted_second);
  end if;
  insert into public.event_counters_recent as k (second, outcome, lag_bucket, events, lag_ms_sum)
  select applied_second, c.outcome, c.lag_bucket, c.events, c.lag_ms_sum from unnest(counts) c
  on conflict (second, outcome, lag_bucket) do update
    set events = k.events + excluded.events, lag_ms_sum = k.lag_ms_sum + excluded.lag_ms_sum;
  -- Copies of older versions take an event that is settled anew out of rows that have to be there.
  if exists (select from unnest(counts) c where c.outcome in ('dead', 'ignored')) then
    insert into public.event_counters (hour, outcome, lag_bucket, events)
    select h.hour, c.outcome, -1, 0
    from unnest(counts) c
      cross join lateral (values (date_trunc('hour', applied_at, 'UTC')), ('-infinity')) as h(hour)
    where c.outcome in ('dead', 'ignored')
    on conflict do nothing;
  end if;
end
$$;

-- Moves the counts of one second to its hour and to the totals.
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

-- Takes events without effect (dead, ignored) out of the figures, before they are settled anew. Where the count
-- of the hour is in its day by now, or is not in its hour yet, the row of the hour is negative until they are added up.
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
