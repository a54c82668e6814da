-- One page of a backfill or reconcile: applies its changes and, in the same transaction, says in the run's record what
-- came of them and where to go on. So neither a crash nor a lost answer loses a page or counts one twice.
-- {"run_id", "owner", "step", "lease_ms", "clerk_ids", "looked_at", "cursor", "batch"} →
-- {"state": "saved" | "cancelled" | "lost"}
--
-- step counts the pages of a run: a call that comes again after it was committed does nothing. lost: another process
-- has taken the run over, or it is no longer running.
drop function if exists apply_run_page(jsonb);
create or replace function apply_run_page(argument jsonb, texts text) returns jsonb
language plpgsql
set search_path = public, pg_temp
-- Every lookup below is "a few rows against an index"; a plan made while a table was small would scan it later.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set lock_timeout = '3s'
as $$
declare
  wanted_step constant integer := (argument -> 'step')::integer;
  clerk_ids constant text[] := array(select jsonb_array_elements_text(argument -> 'clerk_ids'));
  looked_at constant integer := (argument -> 'looked_at')::integer;
  run sync_runs;
  known jsonb := '{}';
  user_ids integer[];
  outcomes jsonb := '[]';
  missing integer := 0;
  differing integer := 0;
  gone integer := 0;
begin
  -- The lock that apply_user_changes takes, so that "known" is what it finds.
  perform pg_advisory_xact_lock(7164381920153);
  select * into run from sync_runs where id = (argument ->> 'run_id')::uuid;
  if run.status is distinct from 'running' or run.lease_owner is distinct from argument ->> 'owner' then
    return '{"state": "lost"}';
  end if;
  if (run.cursor -> 'step')::integer > wanted_step then
    return '{"state": "saved"}';
  end if;
  if run.cancel_requested_at is not null then
    return '{"state": "cancelled"}';
  end if;

  if clerk_ids <> '{}' then
    if run.kind = 'reconcile' then
      -- Here and below a lookup by the unique index, whatever the planner believes of the table's size (`offset 0`).
      select coalesce(jsonb_object_agg(k.clerk_id, jsonb_build_array(u.updated_at, u.deleted_at)), '{}'), array_agg(u.id)
        into known, user_ids
        from unnest(clerk_ids) as k(clerk_id)
          cross join lateral (
            select u.id, u.updated_at, u.deleted_at from users u where u.clerk_id = k.clerk_id offset 0
          ) u;
    end if;
    begin
      outcomes := apply_user_changes(argument -> 'batch', texts);
      if run.kind = 'reconcile' then
        -- The row of a user moves its updated_at when its content changes, and then only. A profile found for a user
        -- whose row was right is no drift.
        select count(*) filter (where before is null and deleted_at is null),
               count(*) filter (where deleted_at is null and to_jsonb(updated_at) <> before -> 0),
               count(*) filter (where deleted_at is not null and coalesce(before -> 1, 'null') = 'null'),
               case when run.dry_run then user_ids else array_agg(id) end
          into missing, differing, gone, user_ids
          from unnest(clerk_ids) as k(clerk_id)
            cross join lateral (
              select u.id, u.updated_at, u.deleted_at from users u where u.clerk_id = k.clerk_id offset 0
            ) u
            cross join lateral (select known -> k.clerk_id) as b(before);
      end if;
      if run.dry_run then
        raise exception 'dry run' using errcode = 'DRYRN';
      end if;
    exception when sqlstate 'DRYRN' then
      null;
    end;
    if run."full" and user_ids is not null then
      insert into sync_run_pages (run_id, step, user_ids) values (run.id, wanted_step, user_ids);
    end if;
  end if;

  update sync_runs r
  set seen = r.seen + looked_at, applied = r.applied + n.applied - gone,
      -- Who is only looked at once more counts if something comes of it.
      unchanged = r.unchanged + case when looked_at > 0 then n.unchanged else 0 end,
      stale = r.stale + case when looked_at > 0 then n.stale else 0 end, deleted = r.deleted + gone,
      drift_missing = r.drift_missing + missing, drift_stale = r.drift_stale + differing,
      drift_deleted = r.drift_deleted + gone, cursor = argument -> 'cursor',
      lease_until = clock_timestamp() + make_interval(secs => (argument -> 'lease_ms')::double precision / 1000)
  from (
    select count(*) filter (where outcome = 'applied') as applied,
           count(*) filter (where outcome = 'unchanged') as unchanged,
           count(*) filter (where outcome = 'stale') as stale
    from jsonb_array_elements_text(outcomes) as o(outcome)
  ) n
  where r.id = run.id and r.status = 'running' and r.lease_owner = argument ->> 'owner';
  if not found then
    raise exception 'another process has taken this run over' using errcode = 'LOSTR';
  end if;
  return '{"state": "saved"}';
end
$$;
