-- Applies one page of a backfill or reconcile and, in the same transaction, saves the run's counts and cursor. So neither a
-- crash nor a lost answer loses a page or counts one twice.
-- {"run_id", "owner", "step", "lease_ms", "clerk_ids", "seen", "cursor", "batch"} →
-- {"state": "saved", "busy": [clerk_id, …], "ms"} | {"state": "cancelled" | "lost"}
--
-- busy: users skipped, and not counted, because another transaction has locked their rows; ms: see apply_user_changes. step
-- counts the pages of a run: a repeated call after a commit does nothing. lost: another process has taken over the run, or
-- the run is no longer running.
create function clerk_sync.apply_run_page(argument jsonb, texts text) returns jsonb
language plpgsql
-- Every lookup below finds a few rows by an index; a plan cached while a table was small would scan it later.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '3s'
as $$
declare
  wanted_step constant integer := (argument -> 'step')::integer;
  clerk_ids constant text[] := array(select jsonb_array_elements_text(argument -> 'clerk_ids'));
  seen_users integer := (argument -> 'seen')::integer;
  run public.sync_runs;
  result jsonb;
  outcomes jsonb := '[]';
  busy_clerk_ids text[] := '{}';
  ms double precision := 0;
  -- Rows inserted, rows with new content, and tombstones. A change that only links a mentorado is in none of them.
  rows_created bigint := 0;
  rows_changed bigint := 0;
  rows_deleted bigint := 0;
begin
  perform clerk_sync.lock_writer();
  select * into run from public.sync_runs where id = (argument ->> 'run_id')::uuid;
  if run.status is distinct from 'running' or run.lease_owner is distinct from argument ->> 'owner' then
    return '{"state": "lost"}';
  end if;
  if (run.cursor -> 'step')::integer > wanted_step then
    return jsonb_build_object('state', 'saved', 'busy', coalesce(run.cursor -> 'busyIds', '[]'), 'ms', 0);
  end if;
  if run.cancel_requested_at is not null then
    return '{"state": "cancelled"}';
  end if;

  if clerk_ids <> '{}' then
    begin
      result := clerk_sync.apply_user_changes(argument -> 'batch', texts);
      outcomes := result -> 'outcomes';
      ms := result -> 'ms';
      rows_created := result -> 'created';
      rows_changed := result -> 'changed';
      rows_deleted := result -> 'deleted';
      if run.dry_run then
        raise exception 'dry run' using errcode = 'DRYRN';
      end if;
    exception when sqlstate 'DRYRN' then
      null;
    end;
    busy_clerk_ids := array(
      select k.clerk_id from unnest(clerk_ids) with ordinality as k(clerk_id, place)
        join jsonb_array_elements_text(outcomes) with ordinality as o(outcome, place) using (place)
      where o.outcome = 'busy');
    if seen_users > 0 then
      seen_users := seen_users - cardinality(busy_clerk_ids);
    end if;
    if run.kind = 'reconcile' and run."full" then
      -- `offset 0` forces a lookup by the unique index.
      insert into public.sync_run_pages (run_id, step, user_ids)
      select run.id, wanted_step, array_agg(u.id)
      from unnest(clerk_ids) as k(clerk_id)
        cross join lateral (select u.id from public.users u where u.clerk_id = k.clerk_id offset 0) u
      having count(*) > 0;
    end if;
  end if;

  update public.sync_runs r
  set seen = r.seen + seen_users, applied = r.applied + n.applied - n.deleted,
      -- Users compared a second time count only if they changed.
      unchanged = r.unchanged + case when seen_users > 0 then n.unchanged else 0 end,
      stale = r.stale + case when seen_users > 0 then n.stale else 0 end, deleted = r.deleted + n.deleted,
      drift_missing = r.drift_missing + n.missing, drift_stale = r.drift_stale + n.differing,
      drift_deleted = r.drift_deleted + case when run.kind = 'reconcile' then n.deleted else 0 end,
      -- A repeated call, and a process that takes over, need to know which users were skipped.
      cursor = case when busy_clerk_ids = '{}' then argument -> 'cursor'
        else jsonb_set(argument -> 'cursor', '{busyIds}', argument #> '{cursor,busyIds}' || to_jsonb(busy_clerk_ids)) end,
      lease_until = clerk_sync.clock() + make_interval(secs => (argument -> 'lease_ms')::double precision / 1000)
  from (
    select count(*) filter (where outcome = 'applied') as applied,
           count(*) filter (where outcome = 'unchanged') as unchanged,
           count(*) filter (where outcome = 'stale') as stale,
           -- Only reconciles count drift.
           case when run.kind = 'reconcile' then rows_created else 0 end as missing,
           case when run.kind = 'reconcile' then rows_changed else 0 end as differing,
           rows_deleted as deleted
    from jsonb_array_elements_text(outcomes) as o(outcome)
  ) n
  where r.id = run.id and r.status = 'running' and r.lease_owner = argument ->> 'owner';
  if not found then
    raise exception 'another process has taken this run over' using errcode = 'LOSTR';
  end if;
  return jsonb_build_object('state', 'saved', 'busy', busy_clerk_ids, 'ms', ms);
end
$$;
