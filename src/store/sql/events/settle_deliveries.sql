-- The ledger and its figures: a row for each delivery that was not settled before, a count for each that was. Answers a
-- JSON array with the outcome of each change, in the order given.
-- parts: two texts for each change. settled: deliveries settled before, by svix_id. verdicts: by clerk_id. linked: who
-- got a profile. Called by apply_user_changes, under its lock and settings.
create or replace function settle_deliveries(
  changes jsonb, parts text[], settled jsonb, verdicts jsonb, linked text[], moment timestamptz, replays boolean,
  out outcomes jsonb
)
language plpgsql
as $$
begin
  if replays then
    -- An event without effect that is looked at again leaves its old place in the figures.
    update event_counters k set events = k.events - d.events
    from (
      select h.hour, e.outcome, count(*) as events
      from jsonb_to_recordset(changes) as c(svix_id text, replay boolean)
        join webhook_events e on e.svix_id = c.svix_id and e.outcome in ('dead', 'ignored')
        cross join lateral (values (date_trunc('hour', e.settled_at)), ('-infinity')) as h(hour)
      where c.replay
      group by h.hour, e.outcome
    ) d
    where k.hour = d.hour and k.outcome = d.outcome and k.lag_bucket = -1;
  end if;

  with results as materialized (
    select c.place, c.svix_id, c.type, case when length(c.clerk_id) <= 64 then c.clerk_id end as clerk_id,
           c.instance_id, c.occurred_at, c.received_at, c.error_code, c.replay,
           case
             when settled ? coalesce(c.svix_id, '') then case settled ->> c.svix_id when 'dead' then 'dead' else 'duplicate' end
             when c.kind in ('ignored', 'dead') then c.kind
             when verdicts ->> c.clerk_id = 'unchanged' and c.kind = 'upsert' and c.clerk_id = any (linked) then 'applied'
             else verdicts ->> c.clerk_id
           end as outcome,
           settled ? coalesce(c.svix_id, '') as again
    from rows from (jsonb_to_recordset(changes)
           as (kind text, svix_id text, type text, clerk_id text, instance_id text, occurred_at timestamptz,
               received_at timestamptz, error_code text, replay boolean)) with ordinality
           as c(kind, svix_id, type, clerk_id, instance_id, occurred_at, received_at, error_code, replay, place)
  ), ledger as (
    insert into webhook_events as e (svix_id, type, clerk_id, instance_id, occurred_at, received_at, settled_at, outcome,
                                     error_code, payload)
    select r.svix_id, r.type, r.clerk_id, r.instance_id, r.occurred_at, r.received_at, moment, r.outcome, r.error_code,
           -- A scalar subquery, for of a `not exists` the planner may make a list of every deleted user.
           case when (select u.deleted_at from users u where u.clerk_id = r.clerk_id) is null then parts[r.place * 2] end
    from results r where r.svix_id is not null and not r.again
    on conflict (svix_id) do update
      set type = excluded.type, clerk_id = excluded.clerk_id, instance_id = excluded.instance_id,
          occurred_at = excluded.occurred_at, settled_at = excluded.settled_at, outcome = excluded.outcome,
          error_code = excluded.error_code, payload = excluded.payload
      where e.outcome in ('dead', 'ignored')
    returning e.svix_id, e.outcome, e.occurred_at, e.settled_at
  ), counted as (
    insert into event_counters as k (hour, outcome, lag_bucket, events, lag_ms_sum)
    select h.hour, n.outcome, h.lag_bucket, count(*), coalesce(sum(h.lag_ms), 0)
    from (
      select outcome,
             case when outcome in ('applied', 'unchanged', 'stale') and occurred_at <= settled_at
                  then greatest(extract(epoch from settled_at - occurred_at)::float8 * 1000, 1) end as lag_ms
      from ledger
      union all
      select 'duplicate', null from results where again and outcome = 'duplicate'
    ) n
      cross join lateral (values
        (date_trunc('hour', moment), coalesce(round(ln(n.lag_ms) / ln(1.1::float8)), -1)::smallint, n.lag_ms),
        ('-infinity', -1::smallint, null)) as h(hour, lag_bucket, lag_ms)
    group by 1, 2, 3
    on conflict (hour, outcome, lag_bucket) do update
      set events = k.events + excluded.events, lag_ms_sum = k.lag_ms_sum + excluded.lag_ms_sum
  )
  select jsonb_agg(outcome order by place) into outcomes from results;
end
$$;
