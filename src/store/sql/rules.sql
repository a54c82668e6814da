-- The synchronisation, as functions of one version of this program.
--
-- `clerk_sync` stands for the schema that holds them, `clerk_sync_<fingerprint>`: the fingerprint is that of these
-- files, so that each version of the program has functions of its own and copies of two versions run side by side.
-- `migrate` creates the schema, writes its real name for `clerk_sync.` here, and drops what only older versions used.
-- The tables are in `public`. Every name of ours is qualified, and no function sets `search_path` or `timezone`:
-- triggers, defaults and policies of the database run with the settings they were written for.
--
-- Tables
--   public.users            one row per Clerk user; written by apply_upserts, apply_deletions and
--                           release_addresses alone, and by resolve_link and unlink_mentorado (link_held_at)
--   public.mentorados       the mentees; user_id is written by link_mentorados, hand_over_mentorados, apply_deletions,
--                           resolve_link and unlink_mentorado; rows are created by link_mentorados
--   public.webhook_events   the ledger: one row per svix-id; written by settle_deliveries, settle_refused and retention
--   public.event_counters, public.event_counters_recent  figures of the ledger by hour, and of the last second; written
--                           with it, old ones folded by fold_counters and roll_up_counters
--   public.mentorado_links  trail of links: who linked or released what, when, because of what
--   public.sync_runs, public.sync_run_pages  backfills and reconciles; written by open_run, apply_run_page and the lease
--
-- Entry points: apply_user_changes, apply_and_report, apply_run_page, open_run, resolve_link, unlink_mentorado,
--   user_state, user_figures, list_unseen_users, list_linkable_users, roll_up_counters. All others are helpers.
--
-- Locks, in this order: the writer's advisory lock (lock_writer), then rows, none of which is waited for long. open_run
--   has an advisory lock of its own and takes no other.

-- One change of a batch. What a caller does not send is null.
create type clerk_sync.change as (
  kind text, -- upsert, delete, ignored or dead; busy: left out, see apply_user_changes
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

-- The time of the functions. A test sets `clerk_neon_sync.clock_offset` (an interval) for its database to move it.
create function clerk_sync.clock() returns timestamptz language sql volatile
return clock_timestamp() + coalesce(nullif(current_setting('clerk_neon_sync.clock_offset', true), ''), '0')::interval;

-- Takes the one lock under which users, links and the ledger are written, until the end of the transaction; returns the
-- time at which it was taken. So the tables move through one sequence of states, however many processes run: 0.1 uses
-- the same key. Each statement after it takes a new snapshot, which read committed alone does.
-- From then on a row or table that another transaction holds is waited for 50 ms at most, because all other writers wait
-- as well: long enough for a short write of another program. A caller sets lock_timeout for the wait for this lock as
-- part of its own definition, and so gives the former value back.
create function clerk_sync.lock_writer() returns timestamptz
language plpgsql
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'this needs read committed, not %', current_setting('transaction_isolation')
      using errcode = 'invalid_transaction_state';
  end if;
  perform pg_advisory_xact_lock(7164381920153), set_config('lock_timeout', '50ms', true);
  -- What is answered as stored survives a crash of Postgres, whatever the default of the database is.
  if current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  return clerk_sync.clock();
end
$$;

-- A time as a column holds it. `timestamp` columns of an older table hold UTC, whatever the session's time zone is.
-- `column_type` is any value of the column's type: it only selects the function.
create function clerk_sync.to_column(value timestamptz, column_type timestamptz) returns timestamptz
language sql immutable return value;
create function clerk_sync.to_column(value timestamptz, column_type timestamp) returns timestamp
language sql immutable return value at time zone 'UTC';

-- The same, read.
create function clerk_sync.from_column(value timestamptz) returns timestamptz language sql immutable return value;
create function clerk_sync.from_column(value timestamp) returns timestamptz
language sql immutable return value at time zone 'UTC';

-- Text without surrounding white space: that of ECMAScript's trim, as public.clerk_email_key has it.
create function clerk_sync.trim_text(value text) returns text language sql immutable
return btrim(value, E' \t\n\u000b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff');

-- The part of a version (see toVersionKey) that is `data.updated_at`: epoch milliseconds in 15 digits; and as of a time.
create function clerk_sync.version_time(version text) returns text language sql immutable
return left(version, 15);
create function clerk_sync.to_version_time(instant timestamptz) returns text language sql stable
return lpad(floor(extract(epoch from instant) * 1000)::bigint::text, 15, '0');

-- Whether two address keys (public.clerk_email_key) are the same by bytes. The first comparison uses the index, whose
-- collation may take different addresses for equal; the second decides.
create function clerk_sync.is_same_key(one text, other text) returns boolean language sql immutable
return one = other and one collate "C" = other collate "C";

-- Whether a user without a mentorado may be given one. Not whether there is one to give.
create function clerk_sync.may_be_linked(is_deleted boolean, email_verified boolean, is_held boolean) returns boolean
language sql immutable
return not is_deleted and email_verified and not is_held;

-- How an active user and the mentorados stand to each other. An operator's unlink (is_held) holds until an operator
-- decides. is_key_taken: whether a mentorado has the user's address.
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

-- The class of a mentorado that the sync creates: the configured one if the enum has it; unconfigured (null),
-- neon_estrutura or the enum's only label. Null: there is none, and no mentorado can be created.
create function clerk_sync.find_default_turma(configured text, labels text[]) returns text language sql immutable
return case
  when configured is not null then case when configured = any (labels) then configured end
  when 'neon_estrutura' = any (labels) then 'neon_estrutura'
  when cardinality(labels) = 1 then labels[1]
end;

-- How many characters each text column takes that an older table may have narrower than ours; null: any number.
-- is_known: the catalogue has been asked.
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
    -- What a domain is made of, which may be another domain.
    select d.column_name, t.typbasetype, t.typtypmod from types d join pg_type t on t.oid = d.type and t.typtype = 'd'
  ), limited as (
    -- A type modifier of varchar and char is the width and 4.
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

-- Fails because rows were given and not written: a trigger that answers null, a rule or a policy swallows a row without
-- an error, or a trigger puts back what was erased, and the user would be reported as stored or deleted. SWLRW is of this
-- program alone; the constraint of the error names the triggers that may have done it.
create function clerk_sync.fail_unwritten(target regclass, missing bigint) returns void
language plpgsql
as $$
begin
  raise exception '% of the rows for % were not written, without an error', missing, target
    using errcode = 'SWLRW', constraint = coalesce(
      (select string_agg(tgname, ', ' order by tgname) from pg_trigger
       where tgrelid = target and not tgisinternal and tgtype & 3 = 3),
      target::text);
end
$$;
