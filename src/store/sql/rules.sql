-- The rules of the synchronisation, as SQL functions.
--
-- `clerk_sync.` is a placeholder for the schema of this version, `clerk_sync_<fingerprint of migrations and functions>`:
-- each version has its own functions, so two versions can run side by side. `migrate` creates the schema, replaces the
-- placeholder and drops the schemas of other versions except the newest one. The tables are in `public`. All names are
-- qualified, and no function sets `search_path` or `timezone`, so that the team's triggers, defaults and policies run with
-- their own settings.
--
-- Tables
--   public.users            one row per Clerk user; written by apply_upserts, apply_deletions and release_addresses, and
--                           by resolve_link and unlink_mentorado (link_held_at)
--   public.mentorados       the mentees; user_id is written by link_mentorados, hand_over_mentorados, apply_deletions,
--                           resolve_link and unlink_mentorado; rows are created by link_mentorados
--   public.webhook_events   the ledger: one row per svix-id; written by settle_deliveries, make_refused_stale and retention;
--                           apply_changes counts attempts, apply_deletions erases payloads
--   public.event_counters, public.event_counters_recent  event figures by hour, and of the last second; written with the
--                           ledger, folded by fold_counters and roll_up_counters
--   public.mentorado_links  audit trail: who linked, released or unlinked what, when and why
--   public.sync_runs, public.sync_run_pages  backfills and reconciles; written by open_run, apply_run_page and the lease
--
-- Entry points: apply_user_changes, apply_and_report, apply_run_page, cancel_slow_batch, open_run, resolve_link,
--   unlink_mentorado, user_state, user_figures, list_conflicts, list_unseen_users, list_linkable_users,
--   roll_up_counters, rehearse. All others are helpers.
--
-- Lock order: the writer's advisory lock (lock_writer), then rows, with a short lock_timeout. open_run takes only an
--   advisory lock of its own.

-- One change of a batch; absent fields are null.
create type clerk_sync.change as (
  kind text, -- upsert, delete, ignored or dead; busy: skipped, see apply_user_changes
  source text,
  clerk_id text,
  -- of an upsert
  version text, clerk_updated_at timestamptz, name text, email text, email_verified boolean, image_url text,
  login_method text, role text, last_signed_in timestamptz, clerk_created_at timestamptz,
  -- of a deletion
  deleted_at timestamptz,
  -- of a webhook delivery
  svix_id text, type text, instance_id text, occurred_at timestamptz, received_at timestamptz, replay boolean,
  -- of a dead event
  error_code text, error_detail text
);

-- The current time. A test can move it by setting `clerk_neon_sync.clock_offset` (an interval) on its database.
create function clerk_sync.clock() returns timestamptz language sql volatile
return clock_timestamp() + coalesce(nullif(current_setting('clerk_neon_sync.clock_offset', true), ''), '0')::interval;

-- Takes the writer's lock until the end of the transaction and returns the current time. All writes of users, links and
-- the ledger hold it, so they are serial across processes. The key must never change: during a rolling update copies of two
-- versions take the same lock. Needs read committed: each later statement must take a new snapshot.
-- After this call each lock of a row or table is waited for at most 50 ms, because all other writers wait meanwhile. That
-- covers a short write of another program. A caller limits the wait for the writer's lock with `set lock_timeout` in its
-- definition, which also restores the former value at its end.
create function clerk_sync.lock_writer() returns timestamptz
language plpgsql
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'this needs read committed, not %', current_setting('transaction_isolation')
      using errcode = 'invalid_transaction_state';
  end if;
  perform pg_advisory_xact_lock(7164381920153), set_config('lock_timeout', '50ms', true);
  -- A change answered with 200 must survive a crash of Postgres, whatever the database's default is.
  if current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  return clerk_sync.clock();
end
$$;

-- Converts a time to a column's type. `timestamp` columns of older tables hold UTC. `column_type` is any value of that
-- type; it only selects the overload.
create function clerk_sync.to_column(value timestamptz, column_type timestamptz) returns timestamptz
language sql immutable return value;
create function clerk_sync.to_column(value timestamptz, column_type timestamp) returns timestamp
language sql immutable return value at time zone 'UTC';

-- The inverse of to_column.
create function clerk_sync.from_column(value timestamptz) returns timestamptz language sql immutable return value;
create function clerk_sync.from_column(value timestamp) returns timestamptz
language sql immutable return value at time zone 'UTC';

-- Removes surrounding white space as ECMAScript's trim does; same characters as in public.clerk_email_key.
create function clerk_sync.trim_text(value text) returns text language sql immutable
return btrim(value, E' \t\n\u000b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff');

-- The time part of a version (see toVersionKey): epoch milliseconds in 15 digits. to_version_time makes it from a time.
create function clerk_sync.version_time(version text) returns text language sql immutable
return left(version, 15);
create function clerk_sync.to_version_time(instant timestamptz) returns text language sql stable
return lpad(floor(extract(epoch from instant) * 1000)::bigint::text, 15, '0');

-- Whether two address keys (public.clerk_email_key) are equal by bytes. The first comparison uses the index, whose
-- collation may treat different addresses as equal; the second is exact.
create function clerk_sync.is_same_key(one text, other text) returns boolean language sql immutable
return one = other and one collate "C" = other collate "C";

-- Whether a user without a mentorado may be linked, if there is a mentorado to link.
create function clerk_sync.may_be_linked(is_deleted boolean, email_verified boolean, is_held boolean) returns boolean
language sql immutable
return not is_deleted and email_verified and not is_held;

-- The link status of a user. is_held: an operator has unlinked the user, and no operator has resolved that yet.
-- is_key_taken: whether a mentorado has the user's address.
create function clerk_sync.link_state(
  is_deleted boolean, is_linked boolean, is_held boolean, has_email boolean, is_verified boolean, is_key_taken boolean
) returns text language sql immutable
return case
  when is_deleted then 'none'
  when is_linked then 'linked'
  when is_held then 'conflict'
  when not has_email then 'no_email'
  when not is_verified then 'unverified'
  when is_key_taken then 'conflict'
  else 'none'
end;

-- The class of new mentorados: the configured one if it is a label of the enum; if none is configured (null),
-- neon_estrutura or the enum's only label. Null: no mentorado can be created.
create function clerk_sync.find_default_turma(configured text, labels text[]) returns text language sql immutable
return case
  when configured is not null then case when configured = any (labels) then configured end
  when 'neon_estrutura' = any (labels) then 'neon_estrutura'
  when cardinality(labels) = 1 then labels[1]
end;

-- Widths, in characters, of text columns that an older table may have narrower than ours; null: unlimited.
-- is_known: the catalogue has been queried.
create type clerk_sync.widths as (
  is_known boolean, name integer, email integer, image_url integer, login_method integer,
  nome_completo integer, mentorado_email integer, foto_url integer
);

create function clerk_sync.text_widths() returns clerk_sync.widths
language sql stable
as $$
  with recursive types as (
    select case when a.attrelid = 'public.users'::regclass then 'users.' else 'mentorados.' end || a.attname as column_name,
           a.atttypid as type, a.atttypmod as modifier
    from pg_attribute a
    where a.attrelid in ('public.users'::regclass, 'public.mentorados'::regclass)
    union all
    -- The base type of a domain, which may be another domain.
    select d.column_name, t.typbasetype, t.typtypmod from types d join pg_type t on t.oid = d.type and t.typtype = 'd'
  ), limited as (
    -- The type modifier of varchar and char is the width plus 4.
    select column_name, modifier - 4 as chars from types
    where type in ('varchar'::regtype, 'bpchar'::regtype) and modifier > 0
  )
  select true,
         max(chars) filter (where column_name = 'users.name'),
         max(chars) filter (where column_name = 'users.email'),
         max(chars) filter (where column_name = 'users.image_url'),
         max(chars) filter (where column_name = 'users.login_method'),
         max(chars) filter (where column_name = 'mentorados.nome_completo'),
         max(chars) filter (where column_name = 'mentorados.email'),
         max(chars) filter (where column_name = 'mentorados.foto_url')
  from limited
$$;

-- Raises SWLRW: rows were silently not written. A trigger that returns null, a rule or a policy skips a row without an
-- error, or a trigger restores erased values; without this error the user would be reported as stored or deleted. The
-- error's constraint field names the triggers that may be the cause.
create function clerk_sync.fail_unwritten(target regclass, missing bigint) returns void
language plpgsql
as $$
begin
  raise exception '% of the rows for % were silently not written', missing, target
    using errcode = 'SWLRW', constraint = coalesce(
      (select string_agg(tgname, ', ' order by tgname) from pg_trigger
       where tgrelid = target and not tgisinternal and tgtype & 3 = 3),
      target::text);
end
$$;
