-- Opens a run, resumes a stopped one, or takes over one whose lease has expired.
-- {"run_id", "kind", "dry_run", "started_by", "full", "owner", "lease_ms", "resume_ms", "every_ms", "first_due_in_ms",
-- "take_over_only"} → {"run": a row of sync_runs} | {"busy": {"run_id", "lease_until"}} | {"due_in_ms"} | {"none": true}
-- With every_ms the answer also has "full_in_ms", milliseconds until the daily full run is due, and "snapshot", Clerk's state
-- at the last finished run.
--
-- every_ms: interval of the schedule. No run opens earlier than that after the last scheduled one, and this function
-- decides whether the run is full; first_due_in_ms: when the very first run is due.
-- take_over_only: take over an existing run or none.
create function clerk_sync.open_run(argument jsonb) returns jsonb
language plpgsql
set lock_timeout = '3s'
as $$
declare
  wanted_kind constant text := argument ->> 'kind';
  wanted_dry constant boolean := (argument -> 'dry_run')::boolean;
  take_over_only constant boolean := coalesce((argument -> 'take_over_only')::boolean, false);
  every constant interval := make_interval(secs => (argument -> 'every_ms')::double precision / 1000);
  lease constant interval := make_interval(secs => (argument -> 'lease_ms')::double precision / 1000);
  -- A run that stopped longer ago is not resumed.
  resume constant interval := make_interval(secs => (argument -> 'resume_ms')::double precision / 1000);
  wanted_full boolean := (argument -> 'full')::boolean;
  opened_at timestamptz;
  due_at timestamptz;
  full_due_at timestamptz;
  schedule jsonb := '{}';
  run public.sync_runs;
  former public.sync_runs;
begin
  -- Serialises the opening of runs; nothing else uses this lock.
  perform pg_advisory_xact_lock(7164381920154);
  opened_at := clerk_sync.clock();

  if every is not null and not take_over_only then
    select coalesce(max(started_at) + every,
                    opened_at + make_interval(secs => (argument -> 'first_due_in_ms')::double precision / 1000))
      into due_at from public.sync_runs where kind = wanted_kind and started_by = 'schedule';
    select coalesce(max(started_at) + interval '24 hours', opened_at) into full_due_at from public.sync_runs
    where kind = wanted_kind and started_by = 'schedule' and "full" and not dry_run
      -- A full run in progress counts; if it fails, its process asks again.
      and (status = 'done' or status = 'running' and lease_until > opened_at);
    -- Timers of several processes and external triggers differ slightly: a run may start 10 % of the interval early.
    wanted_full := full_due_at - every * 0.1 <= opened_at;
    schedule := jsonb_build_object(
      'full_in_ms', greatest(0, ceil(extract(epoch from full_due_at - opened_at) * 1000)::bigint),
      'snapshot', (
        select cursor ->> 'snapshot' from public.sync_runs
        where kind = wanted_kind and status = 'done' and not dry_run
        order by started_at desc nulls last, id desc nulls last limit 1));
    if due_at - every * 0.1 > opened_at then
      return schedule || jsonb_build_object('due_in_ms', ceil(extract(epoch from due_at - opened_at) * 1000)::bigint);
    end if;
  end if;

  select * into run from public.sync_runs where kind = wanted_kind and status = 'running' for update;
  if run.id is not null then
    if run.lease_until > opened_at then
      return jsonb_build_object('busy', jsonb_build_object('run_id', run.id, 'lease_until', run.lease_until));
    end if;
    if run.cancel_requested_at is null and run.lease_until > opened_at - resume
       and (take_over_only or run.dry_run = wanted_dry and (run."full" or not wanted_full)) then
      update public.sync_runs set lease_owner = argument ->> 'owner', lease_until = opened_at + lease
      where id = run.id returning * into run;
      return jsonb_build_object('run', to_jsonb(run));
    end if;
    -- finished_at is the end of the lease: the limit for resuming a run counts from then.
    update public.sync_runs
    set status = case when cancel_requested_at is null then 'failed' else 'cancelled' end, finished_at = lease_until,
        error = case when cancel_requested_at is null then 'The process that worked on it ended.' end,
        lease_owner = null, lease_until = null
    where id = run.id;
  end if;
  if take_over_only then
    return '{"none": true}';
  end if;

  -- A run started by an operator resumes a stopped or failed one and takes over its figures.
  if argument ->> 'started_by' = 'person' then
    select * into former from public.sync_runs
    where kind = wanted_kind and dry_run = wanted_dry order by started_at desc nulls last, id desc nulls last limit 1;
  end if;
  if former.status in ('failed', 'cancelled') and former."full" and former.finished_at > opened_at - resume
     and (former.cursor -> 'resumable')::boolean then
    insert into public.sync_runs (id, kind, status, dry_run, started_by, "full", started_at, seen, applied, unchanged, stale,
                           deleted, drift_missing, drift_stale, drift_deleted, cursor, lease_owner, lease_until)
    values ((argument ->> 'run_id')::uuid, wanted_kind, 'running', wanted_dry, argument ->> 'started_by', true, opened_at,
            former.seen, former.applied, former.unchanged, former.stale, former.deleted, former.drift_missing,
            former.drift_stale, former.drift_deleted, former.cursor, argument ->> 'owner', opened_at + lease)
    returning * into run;
    update public.sync_run_pages set run_id = run.id where run_id = former.id;
  else
    insert into public.sync_runs (id, kind, status, dry_run, started_by, "full", started_at, lease_owner, lease_until)
    values ((argument ->> 'run_id')::uuid, wanted_kind, 'running', wanted_dry, argument ->> 'started_by', wanted_full,
            opened_at, argument ->> 'owner', opened_at + lease)
    returning * into run;
  end if;
  delete from public.sync_run_pages p using public.sync_runs r
  where r.id = p.run_id and r.kind = wanted_kind and r.id <> run.id;
  return schedule || jsonb_build_object('run', to_jsonb(run));
end
$$;
