-- Refused events (dead, error_code refused) become stale once their user has been stored at the event's version or a later
-- one, or is deleted. Called at the end of apply_changes if the ledger contains refused events.
create function clerk_sync.make_refused_stale(changes clerk_sync.change[], applied_at timestamptz) returns void
language plpgsql
as $$
declare
  superseded public.webhook_events[];
begin
  superseded := array(
    select e from unnest(changes) c
      join public.webhook_events e on e.clerk_id = c.clerk_id and e.error_code = 'refused'
      join public.users u on u.clerk_id = c.clerk_id
    where c.kind in ('upsert', 'delete')
      and (u.deleted_at is not null or e.refused_version <> '' and u.clerk_version >= e.refused_version));
  if cardinality(superseded) = 0 then
    return;
  end if;
  perform clerk_sync.uncount_events(superseded);
  update public.webhook_events
  set outcome = 'stale', error_code = null, error_detail = null, refused_version = null, settled_at = applied_at
  where svix_id in (select o.svix_id from unnest(superseded) o);
  insert into public.event_counters_recent as k (second, outcome, lag_bucket, events, lag_ms_sum)
  values (date_trunc('second', applied_at), 'stale', -1, cardinality(superseded), 0)
  on conflict (second, outcome, lag_bucket) do update set events = k.events + excluded.events;
end
$$;
