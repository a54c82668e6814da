-- Writes the ledger and its counters: a row for each delivery that was not settled before, a count for each one. Returns a
-- JSON array with the outcome of each change, in order.
-- parts: three texts for each change, see apply_user_changes. settled_outcomes: of deliveries settled before, by svix_id.
-- user_outcomes: by clerk_id. may_reprocess: whether the ledger may contain an event of this batch that has to be
-- reprocessed. Called by apply_changes, under the lock and settings of apply_user_changes.
create function clerk_sync.settle_deliveries(
  changes clerk_sync.change[], parts text[], settled_outcomes jsonb, user_outcomes jsonb, linked_clerk_ids text[],
  applied_at timestamptz, may_reprocess boolean, out outcomes jsonb
)
language plpgsql
as $$
declare
  -- The former rows of reprocessed events.
  reprocessed_events public.webhook_events[];
  -- The newest second in event_counters_recent; folded if it is not the current one. `order by second desc` skips dead row
  -- versions, which accumulate while another program holds a snapshot.
  counted_second timestamptz;
  -- `dead` and `ignored`, if they occur in this batch: a later replay can change such an event.
  dead_or_ignored text[];
begin
  if may_reprocess then
    -- Deleted and inserted again: `on conflict` would make each insert more expensive.
    with removed as (
      delete from public.webhook_events e
      where e.outcome in ('dead', 'ignored') and not settled_outcomes ? e.svix_id
        and e.svix_id = any (array(select c.svix_id from unnest(changes) c where c.kind <> 'busy'))
      returning e
    )
    select coalesce(array_agg(e), '{}') into reprocessed_events from removed;
    perform clerk_sync.uncount_events(reprocessed_events);
  end if;

  with results as materialized (
    select c.ordinality as place, c.svix_id, c.type, case when length(c.clerk_id) <= 64 then c.clerk_id end as clerk_id,
           c.instance_id, c.occurred_at, c.received_at, c.error_code, c.error_detail, c.version,
           case
             when settled_outcomes ? coalesce(c.svix_id, '')
               then case settled_outcomes ->> c.svix_id when 'dead' then 'dead' else 'duplicate' end
             when c.kind in ('ignored', 'dead', 'busy') then c.kind
             when user_outcomes ->> c.clerk_id = 'unchanged' and c.kind = 'upsert' and c.clerk_id = any (linked_clerk_ids)
               then 'applied'
             else user_outcomes ->> c.clerk_id
           end as outcome,
           c.kind = 'upsert' and user_outcomes ->> c.clerk_id in ('applied', 'unchanged') as is_written,
           c.svix_id is not null and c.kind <> 'busy' and not settled_outcomes ? c.svix_id
             -- A replayed event with another outcome is still in the ledger here: no row and no count, but its change is
             -- compared with the stored user like any other.
             and not (c.replay is true and exists (select from public.webhook_events e where e.svix_id = c.svix_id))
             as is_new
    from unnest(changes) with ordinality as c
  ), ledger as (
    insert into public.webhook_events (svix_id, type, clerk_id, instance_id, occurred_at, received_at, settled_at,
                                       outcome, error_code, error_detail, refused_version, payload)
    select r.svix_id, r.type, r.clerk_id, r.instance_id, r.occurred_at, r.received_at, applied_at, r.outcome,
           r.error_code, r.error_detail, case when r.error_code = 'refused' then coalesce(r.version, '') end,
           -- No payload for a deleted user. A user written in this batch is not deleted. A scalar subquery, because for
           -- `not exists` the planner may hash all deleted users.
           case when r.is_written
                     or (select u.deleted_at from public.users u where u.clerk_id = r.clerk_id) is null
                -- The empty payload of an ignored event (its text names several users) is stored as null.
                then case r.outcome when 'ignored' then nullif(parts[r.place * 3], '') else parts[r.place * 3] end end
    from results r where r.is_new
  ), counted as (
    insert into public.event_counters_recent as k (second, outcome, lag_bucket, events, lag_ms_sum)
    select date_trunc('second', applied_at), n.outcome,
           coalesce(round(ln(n.lag_ms) / ln(1.1::float8)), -1)::smallint as lag_bucket, count(*), coalesce(sum(n.lag_ms), 0)
    from (
      select outcome,
             case when is_new and outcome in ('applied', 'unchanged', 'stale') and occurred_at <= applied_at
                  then greatest(extract(epoch from applied_at - occurred_at)::float8 * 1000, 1) end as lag_ms
      from results where is_new or outcome = 'duplicate'
    ) n
    group by n.outcome, lag_bucket
    on conflict (second, outcome, lag_bucket) do update
      set events = k.events + excluded.events, lag_ms_sum = k.lag_ms_sum + excluded.lag_ms_sum
  )
  select jsonb_agg(outcome order by place),
         (select k.second from public.event_counters_recent k order by k.second desc limit 1),
         array_agg(distinct outcome) filter (where is_new and outcome in ('dead', 'ignored'))
    into outcomes, counted_second, dead_or_ignored
    from results;
  if may_reprocess then
    update public.webhook_events e set attempts = r.attempts, received_at = r.received_at
    from unnest(reprocessed_events) r where e.svix_id = any (array[r.svix_id]);
  end if;
  if counted_second <> date_trunc('second', applied_at) then
    perform clerk_sync.fold_counters(counted_second);
  end if;
  -- Older versions of the program need these counter rows to exist when they reprocess an event.
  if cardinality(dead_or_ignored) > 0 then
    insert into public.event_counters (hour, outcome, lag_bucket, events)
    select h.hour, o.outcome, -1, 0
    from unnest(dead_or_ignored) as o(outcome)
      cross join lateral (values (date_trunc('hour', applied_at, 'UTC')), ('-infinity')) as h(hour)
    on conflict do nothing;
  end if;
end
$$;
