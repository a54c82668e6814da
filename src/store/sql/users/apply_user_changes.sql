-- Applies one batch of user changes: the only writer of `users`, of the ledger and of automatic links.
--
-- batch: {"default_turma": text, "separator": text, "changes": [change, …]}; what a change is made of, the column lists of
-- the record sets say, here and in the functions that are called. texts: two for each change, with the separator between
-- them: the Clerk user as JSON and the ledger's payload, empty where there is none. They are long, and JSON inside JSON is
-- dear to read.
-- Within a batch each clerk_id and each svix_id stands once at most (the caller sees to it).
-- Answers a JSON array with the outcome of each change, in the order given.
--
-- The advisory lock makes the tables move through one sequence of states, however many processes run. Each statement
-- after it takes a new snapshot (read committed), so it sees all that earlier holders of the lock committed.
-- The batch as a whole equals a serial order of its changes: deletions first, then the rest as they stand; addresses that
-- were left are looked at after the deletions and again at the end.
drop function if exists apply_user_changes(jsonb);
create or replace function apply_user_changes(batch jsonb, texts text) returns jsonb
language plpgsql
set search_path = public, pg_temp
-- `timestamp` columns of an older table hold UTC.
set timezone = 'UTC'
-- Every join below is "a few rows against an index". A plan made while a table was small would scan it later, when
-- it is not; and planning anew at each call costs more than executing.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
-- Below the caller's own deadline, so that a waiter gives its connection back by itself.
set lock_timeout = '3s'
as $$
declare
  changes constant jsonb := batch -> 'changes';
  parts constant text[] := string_to_array(texts, batch ->> 'separator');
  moment timestamptz;
  svix_ids text[];
  deletions boolean;
  replays boolean;
  -- Of each upsert by its clerk_id: [source, svix_id]. Looked up, for a join of two lists is quadratic here.
  origins jsonb;
  settled jsonb := '{}';
  deleted jsonb := '{}';
  upserted record;
  linked text[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'apply_user_changes needs read committed, not %', current_setting('transaction_isolation')
      using errcode = 'invalid_transaction_state';
  end if;
  if batch ->> 'default_turma' <> all (enum_range(null::turma)::text[]) then
    -- Of a class of its own: the configuration is at fault and not a change, which has to come again.
    raise exception 'DEFAULT_TURMA is no label of the enum turma' using errcode = 'config_file_error';
  end if;
  perform pg_advisory_xact_lock(7164381920153);
  moment := clock_timestamp();

  select array_agg(svix_id) filter (where svix_id is not null and replay is not true),
         coalesce(bool_or(kind = 'delete'), false),
         coalesce(bool_or(replay), false),
         jsonb_object_agg(clerk_id, jsonb_build_array(source, svix_id)) filter (where kind = 'upsert')
    into svix_ids, deletions, replays, origins
    from jsonb_to_recordset(changes) as c(kind text, svix_id text, clerk_id text, source text, replay boolean);

  -- Deliveries settled before: only counted.
  if svix_ids is not null then
    with again as (
      update webhook_events set attempts = attempts + 1 where svix_id = any (svix_ids) returning svix_id, outcome
    )
    select coalesce(jsonb_object_agg(svix_id, outcome), '{}') into settled from again;
  end if;

  if deletions then
    deleted := apply_deletions(changes, settled, moment);
  end if;
  upserted := apply_upserts(changes, parts, settled, moment);
  if upserted.touched is not null then
    linked := link_profiles(upserted.touched, origins, batch ->> 'default_turma', moment);
    if upserted.left_keys is not null then
      perform hand_over_profiles(upserted.left_keys, moment);
    end if;
  end if;
  return settle_deliveries(changes, parts, settled, deleted || upserted.verdicts, linked, moment, replays);
end
$$;
