-- Writes the ledger and its counters: a row for each delivery that was not settled before, a count for each one. Returns a
-- JSON array with the outcome of each change, in order.
-- parts: three texts for each change, see apply_user_changes. settled: deliveries settled before, by svix_id. verdicts: outcomes
-- by clerk_id. reopens: whether the ledger may contain an event of this batch that has to be reprocessed. Called by
-- apply_changes, under the lock and settings of apply_user_changes.
create function clerk_sync.settle_deliveries(
  changes clerk_sync.change[], parts text[], settled jsonb, verdicts jsonb, linked_clerk_ids text[],
  applied_at timestamptz, reopens boolean, out outcomes jsonb
)
language plpgsql
as $$
declare
  -- The former rows of reprocessed events.
  reopened public.webhook_events[];
  -- The newest second with counts: the current one, or one to be folded. Searched from the newest, or all dead row
  -- versions would be read while another program holds a snapshot.
  counted_second timestamptz;
  -- Those outcomes in this batch that a later replay can change.
  dead_or_ignored text[];
begin
  if reopens then
    -- Deleted and inserted again: `on conflict` would make each insert more expensive.
    with gone as (
      delete from public.webhook_events e
      where e.outcome in ('dead', 'ignored') and not settled ? e.svix_id
        and e.svix_id = any (array(select c.svix_id from unnest(changes) c where c.kind <> 'busy'))
      returning e
    )
    select coalesce(array_agg(e), '{}') into reopened from gone;
    perform clerk_sync.uncount_events(reopened);
  end if;

  with results as materialized (
    select c.ordinality as place, c.svix_id, c.type, case when length(c.clerk_id) <= 64 then c.clerk_id end as clerk_id,
           c.instance_id, c.occurred_at, c.received_at, c.error_code, c.error_detail, c.version,
           case
             when settled ? coalesce(c.svix_id, '')
               then case settled ->> c.svix_id when 'dead' then 'dead' else 'duplicate' end
             when c.kind in ('ignored', 'dead', 'busy') then c.kind
             when verdicts ->> c.clerk_id = 'unchanged' and c.kind = 'upsert' and c.clerk_id = any (linked_clerk_ids)
               then 'applied'
             else verdicts ->> c.clerk_id
           end as outcome,
           c.kind = 'upsert' and verdicts ->> c.clerk_id in ('applied', 'unchanged') as is_written,
           c.svix_id is not null and c.kind <> 'busy' and not settled ? c.svix_id
             -- The replay of an event that had an effect changes nothing.
             and not (c.replay is true and exists (select from public.webhook_events e where e.svix_id = c.svix_id)) as is_new
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
  if reopens then
    update public.webhook_events e set attempts = r.attempts, received_at = r.received_at
    from unnest(reopened) r where e.svix_id = any (array[r.svix_id]);
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
