-- The created and updated users among the changes, each compared with its row. Called by apply_user_changes, under its
-- lock and settings.
--
-- parts: two texts for each change, see there. settled: deliveries settled before, by svix_id. verdicts: outcome by
-- clerk_id. touched: those with a row that is no tombstone, in the order given. left_keys: addresses (as of
-- clerk_email_key) that somebody who had proved them has no more.
create or replace function apply_upserts(
  changes jsonb, parts text[], settled jsonb, moment timestamptz,
  out verdicts jsonb, out touched text[], out left_keys text[]
)
language plpgsql
as $$
declare
  name_chars_max integer;
  image_url_chars_max integer;
begin
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
  select coalesce(jsonb_object_agg(clerk_id, verdict), '{}'),
         array_agg(clerk_id) filter (where not tombstone or id is null),
         array_agg(left_key) filter (
           where newer and not tombstone and left_key is not null
             and left_key is distinct from case when email_verified then clerk_email_key(email) end
         )
    into verdicts, touched, left_keys
    from judged;
end
$$;
