-- Applies one batch of user changes: the only writer of `users`, of the ledger and of automatic links.
--
-- batch: {"default_turma": text, "separator": text, "changes": [change, …]}; a change is described by the column lists of
-- the record sets below. texts: two for each change, with the separator between them: the Clerk user as JSON and the
-- ledger's payload, empty where there is none. They are long, and JSON inside JSON is dear to read.
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
  -- As in clerk_email_key.
  white_space constant text := E' \t\n\u000b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff';
  moment timestamptz;
  svix_ids text[];
  touched text[];
  deletions boolean;
  replays boolean;
  -- Of each upsert by its clerk_id: [source, svix_id]. Looked up, for a join of two lists is quadratic here.
  origins jsonb;
  settled jsonb := '{}';
  verdicts jsonb := '{}';
  deleted_ids integer[];
  deleted_clerk_ids text[];
  left_keys text[];
  released_keys text[];
  linked_clerk_ids text[];
  name_chars_max integer;
  image_url_chars_max integer;
  outcomes jsonb;
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
    with gone as materialized (
      select c.clerk_id, c.source, c.deleted_at, u.id, u.deleted_at as known_deleted_at,
             case when u.email_verified then clerk_email_key(u.email) end as left_key
      from jsonb_to_recordset(changes)
             as c(kind text, svix_id text, clerk_id text, source text, deleted_at timestamptz)
        left join users u on u.clerk_id = c.clerk_id
      where c.kind = 'delete' and not settled ? coalesce(c.svix_id, '')
    ), unseen as (
      insert into users (clerk_id, role, email_verified, deleted_at, last_signed_in, synced_at, sync_source, created_at,
                         updated_at)
      select clerk_id, 'user', false, deleted_at, deleted_at, moment, source, moment, moment from gone where id is null
      returning clerk_id
    ), erased as (
      update users u
      set name = null, email = null, image_url = null, raw_json = null, login_method = null, role = 'user',
          email_verified = false, clerk_created_at = null, clerk_updated_at = null, clerk_version = null,
          role_version = null, link_held_at = null, deleted_at = g.deleted_at, last_signed_in = g.deleted_at,
          updated_at = moment, synced_at = moment, sync_source = g.source
      from gone g where u.id = g.id and g.known_deleted_at is null
      returning u.id, u.clerk_id
    ), corrected as (
      -- Of several tellings of one deletion the earliest moment is kept, so that their order does not matter.
      update users u set deleted_at = g.deleted_at, last_signed_in = g.deleted_at, sync_source = g.source
      from gone g where u.id = g.id and g.known_deleted_at > g.deleted_at
    )
    select jsonb_object_agg(g.clerk_id, case when g.known_deleted_at is null then 'applied' else 'unchanged' end),
           (select array_agg(id) from erased),
           array_agg(g.clerk_id) filter (where g.known_deleted_at is null),
           array_agg(g.left_key) filter (where g.left_key is not null)
      into verdicts, deleted_ids, deleted_clerk_ids, left_keys
      from gone g;
    verdicts := coalesce(verdicts, '{}');

    update webhook_events set payload = null where clerk_id = any (deleted_clerk_ids) and payload is not null;

    with released as (
      update mentorados m set user_id = null, updated_at = moment
      from users u where m.user_id = any (deleted_ids) and u.id = m.user_id
      returning m.id as mentorado_id, u.id as user_id, u.clerk_id, clerk_email_key(m.email) as email_key
    ), trail as (
      insert into mentorado_links (mentorado_id, user_id, clerk_id, action, actor, svix_id, at)
      select r.mentorado_id, r.user_id, r.clerk_id, 'released', c.source, c.svix_id, moment
      from released r
        join jsonb_to_recordset(changes) as c(kind text, svix_id text, clerk_id text, source text)
          on c.clerk_id = r.clerk_id and c.kind = 'delete'
    )
    select array_agg(email_key) into released_keys from released;

    if left_keys is not null or released_keys is not null then
      perform hand_over_profiles(left_keys || released_keys, moment);
    end if;
  end if;

  -- An older table may have these narrower than ours, which are text; a cosmetic field is no reason to refuse a user.
  select max(atttypmod - 4) filter (where attname = 'name' and atttypmod > 4),
         max(atttypmod - 4) filter (where attname = 'image_url' and atttypmod > 4)
    into name_chars_max, image_url_chars_max
    from pg_attribute where attrelid = 'users'::regclass and attname in ('name', 'image_url');

  with compared as materialized (
    select c.clerk_id, c.source, c.version, c.clerk_updated_at, f.name, c.email, c.email_verified, f.image_url,
           c.login_method, c.role, c.last_signed_in, c.clerk_created_at, k.raw,
           u.id, u.deleted_at is not null as tombstone,
           u.clerk_version is null or c.version >= u.clerk_version as newer,
           left(c.version, 15) = left(u.clerk_version, 15) as same_version,
           c.role is not null and (u.role_version is null or c.version >= u.role_version) as role_newer,
           c.role is distinct from u.role as role_differs,
           u.clerk_version as known_version, u.role_version as known_role_version,
           case when u.email_verified and (u.email is distinct from c.email or not c.email_verified)
                then clerk_email_key(u.email) end as left_key,
           u.raw_json is not distinct from k.raw as same_raw,
           (u.name, u.email, u.email_verified, u.image_url, u.login_method, u.clerk_created_at)
             is not distinct from
           (f.name, c.email, c.email_verified, f.image_url, c.login_method, c.clerk_created_at)
           and case
             -- Equal in the keys that both have.
             when k.across then u.raw_json is not null
               and (u.raw_json || k.raw) - k.incidental = (k.raw || u.raw_json) - k.incidental
             else u.raw_json - k.incidental is not distinct from k.raw - k.incidental
           end as same_content
    from rows from (jsonb_to_recordset(changes)
           as (kind text, svix_id text, clerk_id text, source text, version text, clerk_updated_at timestamptz,
               name text, email varchar(320), email_verified boolean, image_url text, login_method varchar(64),
               role role, last_signed_in timestamptz, clerk_created_at timestamptz)) with ordinality
           as c(kind, svix_id, clerk_id, source, version, clerk_updated_at, name, email, email_verified, image_url,
                login_method, role, last_signed_in, clerk_created_at, place)
      left join users u on u.clerk_id = c.clerk_id
      cross join lateral (
        select case when name_chars_max is null then c.name else left(c.name, name_chars_max) end as name,
               case when image_url_chars_max is null or length(c.image_url) <= image_url_chars_max
                    then c.image_url end as image_url
      ) f
      cross join lateral (
        -- Webhook and Backend API render linked accounts differently, and each has keys that the other lacks
        -- (password_last_updated_at); that alone is no difference.
        select a.across,
               case when a.across then '{updated_at,external_accounts,saml_accounts,enterprise_accounts}'::text[]
                    else '{updated_at}' end
               -- What moves by itself, while updated_at stays: of each user each day, a reconcile would rewrite them all.
               || case when c.source <> 'webhook' and left(c.version, 15) = left(u.clerk_version, 15)
                       then '{last_active_at,lockout_expires_in_seconds}'::text[] else '{}' end as incidental,
               parts[c.place * 2 - 1]::jsonb as raw
        from (values ((u.sync_source = 'webhook') <> (c.source = 'webhook'))) as a(across)
        -- So that the text is read once, not at each mention.
        offset 0
      ) k
    where c.kind = 'upsert' and not settled ? coalesce(c.svix_id, '')
  ), judged as materialized (
    select *,
           role_newer and role_differs as role_changes,
           case
             when id is null then 'applied'
             when tombstone then 'stale'
             when same_content and not (role_newer and role_differs) and (newer or same_version) then 'unchanged'
             when newer then 'applied'
             else 'stale'
           end as verdict
    from compared
  ), inserted as (
    insert into users (clerk_id, name, email, email_verified, image_url, login_method, role, last_signed_in, raw_json,
                       clerk_created_at, clerk_updated_at, clerk_version, role_version, synced_at, sync_source,
                       created_at, updated_at)
    select clerk_id, name, email, email_verified, image_url, login_method, coalesce(role, 'user'), last_signed_in, raw,
           clerk_created_at, clerk_updated_at, version, case when role is not null then version end, moment, source,
           moment, moment
    from judged where id is null
  ), updated as (
    update users u
    set name = case when j.newer then j.name else u.name end,
        email = case when j.newer then j.email else u.email end,
        email_verified = case when j.newer then j.email_verified else u.email_verified end,
        image_url = case when j.newer then j.image_url else u.image_url end,
        login_method = case when j.newer then j.login_method else u.login_method end,
        last_signed_in = case when j.newer then j.last_signed_in else u.last_signed_in end,
        raw_json = case when j.newer and not j.same_raw then j.raw else u.raw_json end,
        clerk_created_at = case when j.newer then j.clerk_created_at else u.clerk_created_at end,
        clerk_updated_at = case when j.newer then j.clerk_updated_at else u.clerk_updated_at end,
        clerk_version = case when j.newer then j.version else u.clerk_version end,
        role = case when j.role_newer then j.role else u.role end,
        role_version = case when j.role_newer then j.version else u.role_version end,
        updated_at = case when j.verdict = 'applied' or j.role_changes then moment else u.updated_at end,
        synced_at = case when j.newer then moment else u.synced_at end,
        sync_source = case when j.newer then j.source else u.sync_source end
    from judged j
    where u.id = j.id and not j.tombstone
      and (j.verdict = 'applied'
        or j.newer and j.version is distinct from j.known_version
        or j.role_newer and (j.role_differs or j.version is distinct from j.known_role_version))
  )
  select verdicts || coalesce(jsonb_object_agg(clerk_id, verdict), '{}'),
         array_agg(clerk_id) filter (where not tombstone or id is null),
         array_agg(left_key) filter (
           where newer and not tombstone and left_key is not null
             and left_key is distinct from case when email_verified then clerk_email_key(email) end
         )
    into verdicts, touched, left_keys
    from judged;

  -- Users of this batch without a profile look for one: the row as it now is decides, not the change.
  if touched is not null then
    with seekers as materialized (
      select u.id, u.clerk_id, u.name, u.email, u.image_url, clerk_email_key(u.email) as email_key,
             u.raw_json -> 'public_metadata' ->> 'turma' as turma, t.place
      from unnest(touched) with ordinality as t(clerk_id, place)
        -- `offset 0` here, and a scalar subquery below, keep these lookups what they are. Without statistics, as while
        -- a backfill fills empty tables, the planner would rather read a whole partial index, for each user.
        cross join lateral (select * from users u where u.clerk_id = t.clerk_id offset 0) u
      where u.deleted_at is null and u.email_verified and u.link_held_at is null
        and clerk_email_key(u.email) is not null
        and (select m.id from mentorados m where m.user_id = u.id) is null
    ), candidates as materialized (
      select s.*, row_number() over (partition by s.email_key order by s.place) as turn,
             found.profiles, found.mentorado_id, found.claimed
      from seekers s
        cross join lateral (
          select count(*) as profiles, min(m.id) as mentorado_id, bool_or(m.user_id is not null) as claimed
          from mentorados m where clerk_email_key(m.email) = s.email_key
        ) found
    ), linked as (
      update mentorados m set user_id = c.id, updated_at = moment
      from candidates c
      where m.id = c.mentorado_id and c.turn = 1 and c.profiles = 1 and not c.claimed
      returning m.id as mentorado_id, c.id as user_id, c.clerk_id
    ), created as (
      insert into mentorados (user_id, nome_completo, email, foto_url, turma, created_at, updated_at)
      select id,
             left(coalesce(nullif(btrim(name, white_space), ''),
                           nullif(btrim(regexp_replace(email, '@[^@]*$', ''), white_space), ''), email), 255),
             email,
             case when length(image_url) <= 500 then image_url end,
             -- A label unknown to the enum is not the event's fault unless it is the configured one.
             case when turma = any (enum_range(null::turma)::text[]) then turma
                  else batch ->> 'default_turma' end::turma,
             moment, moment
      from candidates where turn = 1 and profiles = 0
      returning id as mentorado_id, user_id
    ), changed as (
      select mentorado_id, user_id, clerk_id, 'linked' as action from linked
      union all
      select n.mentorado_id, n.user_id, u.clerk_id, 'created'
      from created n cross join lateral (select u.clerk_id from users u where u.id = n.user_id offset 0) u
    ), trail as (
      insert into mentorado_links (mentorado_id, user_id, clerk_id, action, actor, svix_id, at)
      select mentorado_id, user_id, clerk_id, action, origins -> clerk_id ->> 0, origins -> clerk_id ->> 1, moment
      from changed
    )
    select array_agg(clerk_id) into linked_clerk_ids from changed;

    if left_keys is not null then
      perform hand_over_profiles(left_keys, moment);
    end if;
  end if;

  if replays then
    -- A dead event that is looked at again leaves its old place in the figures.
    update event_counters k set events = k.events - d.events
    from (
      select h.hour, count(*) as events
      from jsonb_to_recordset(changes) as c(svix_id text, replay boolean)
        join webhook_events e on e.svix_id = c.svix_id and e.outcome = 'dead'
        cross join lateral (values (date_trunc('hour', e.settled_at)), ('-infinity')) as h(hour)
      where c.replay
      group by h.hour
    ) d
    where k.hour = d.hour and k.outcome = 'dead' and k.lag_bucket = -1;
  end if;

  with results as materialized (
    select c.place, c.svix_id, c.type, case when length(c.clerk_id) <= 64 then c.clerk_id end as clerk_id,
           c.instance_id, c.occurred_at, c.received_at, c.error_code, c.replay,
           case
             when settled ? coalesce(c.svix_id, '') then case settled ->> c.svix_id when 'dead' then 'dead' else 'duplicate' end
             when c.kind in ('ignored', 'dead') then c.kind
             when verdicts ->> c.clerk_id = 'unchanged' and c.kind = 'upsert' and c.clerk_id = any (linked_clerk_ids) then 'applied'
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
      where e.outcome = 'dead'
    returning e.svix_id, e.outcome, e.occurred_at, e.settled_at
  ), counted as (
    insert into event_counters as k (hour, outcome, lag_bucket, events)
    select h.hour, n.outcome, h.lag_bucket, count(*)
    from (
      select outcome,
             case when outcome in ('applied', 'unchanged', 'stale') and occurred_at <= settled_at
                  then round(ln(greatest(extract(epoch from settled_at - occurred_at)::float8 * 1000, 1)) / ln(1.1::float8))::smallint
                  else -1 end as lag_bucket
      from ledger
      union all
      select 'duplicate', -1 from results where again and outcome = 'duplicate'
    ) n
      cross join lateral (values (date_trunc('hour', moment), n.lag_bucket::smallint), ('-infinity', -1::smallint))
        as h(hour, lag_bucket)
    group by 1, 2, 3
    on conflict (hour, outcome, lag_bucket) do update set events = k.events + excluded.events
  )
  select jsonb_agg(outcome order by place) into outcomes from results;
  return outcomes;
end
$$;
