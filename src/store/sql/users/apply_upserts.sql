-- Applies the created and updated users of a batch; each is compared with its row. Called by apply_changes, under the lock
-- and settings of apply_user_changes.
--
-- parts: three texts for each change, see apply_user_changes. settled_outcomes: outcomes of deliveries settled before, by
-- svix_id. widths: see text_widths. user_outcomes: by clerk_id, before linking. vacated_keys: formerly verified addresses
-- (clerk_email_key) that their users have left. unlinked_clerk_ids: users without a mentorado, null if there are none.
-- created, changed: rows inserted, rows with new content.
create function clerk_sync.apply_upserts(
  changes clerk_sync.change[], parts text[], settled_outcomes jsonb, widths clerk_sync.widths, applied_at timestamptz,
  out user_outcomes jsonb, out vacated_keys text[], out unlinked_clerk_ids text[], out created bigint, out changed bigint
)
language plpgsql
as $$
declare
  -- For the types of its columns, see to_column.
  as_user constant public.users := null;
  -- The limit of a valid stored version. A higher one was stored before versions were capped: any version is newer.
  valid_version_max constant text := clerk_sync.to_version_time(applied_at + interval '1 day') || ':';
  expected_rows bigint;
  written_rows bigint;
  needs_widths boolean;
begin
  with compared as (
    select c.clerk_id, c.source, c.version, c.clerk_updated_at, f.name, f.email, f.email_verified, f.image_url,
           f.login_method, c.role, c.last_signed_in, c.clerk_created_at, k.raw,
           u.id, u.deleted_at is not null as is_tombstone,
           u.clerk_version is null or c.version >= u.clerk_version or u.clerk_version > valid_version_max as is_newer,
           clerk_sync.version_time(c.version) = clerk_sync.version_time(u.clerk_version) as is_same_version,
           c.role is not null and (u.role_version is null or c.version >= u.role_version or u.role_version > valid_version_max)
             as is_role_newer,
           c.role is distinct from u.role::text as role_differs,
           u.clerk_version as known_version, u.role_version as known_role_version,
           case when u.email_verified
                  and (u.email::text collate "C" is distinct from f.email collate "C" or not f.email_verified)
                then public.clerk_email_key(u.email) end as vacated_key,
           u.raw_json is not distinct from k.raw as is_same_raw,
           -- Compares bytes, because a column's collation may treat different texts as equal.
           (u.name::text collate "C", u.email::text collate "C", u.email_verified, u.image_url::text collate "C",
            u.login_method::text collate "C", clerk_sync.from_column(u.clerk_created_at))
             is not distinct from
           (f.name collate "C", f.email collate "C", f.email_verified, f.image_url collate "C",
            f.login_method collate "C", c.clerk_created_at)
           and case
             -- Equal in the keys that both have.
             when k.is_other_origin then u.raw_json is not null
               and (u.raw_json || k.raw) - k.incidental = (k.raw || u.raw_json) - k.incidental
             else u.raw_json - k.incidental is not distinct from k.raw - k.incidental
           end as is_same_content
    from unnest(changes) with ordinality as c
      -- `offset 0`: a plan made while the table was empty and analyzed would read all of it.
      left join lateral (select * from public.users u where u.clerk_id = c.clerk_id offset 0) u on true
      cross join lateral (
        -- An older table may have narrower columns than ours. A name that is too long is cut. An address that is too
        -- long is left out, because a cut one could belong to another person.
        select case when length(c.name) > widths.name then left(c.name, widths.name) else c.name end as name,
               case when length(c.email) > widths.email then null else c.email end as email,
               c.email_verified and c.email is not null and length(c.email) > widths.email is not true as email_verified,
               case when length(c.image_url) > widths.image_url then null else c.image_url end as image_url,
               case when length(c.login_method) > widths.login_method then left(c.login_method, widths.login_method)
                    else c.login_method end as login_method
      ) f
      cross join lateral (
        -- Webhook and Backend API render linked accounts differently, and each has keys that the other lacks
        -- (password_last_updated_at). A difference in these alone is not a change.
        select a.is_other_origin,
               case when a.is_other_origin then '{updated_at,external_accounts,saml_accounts,enterprise_accounts}'::text[]
                    else '{updated_at}' end
               -- These change without a new updated_at: if compared, each reconcile would rewrite every user.
               || case when c.source <> 'webhook'
                         and clerk_sync.version_time(c.version) = clerk_sync.version_time(u.clerk_version)
                       then '{last_active_at,lockout_expires_in_seconds}'::text[] else '{}' end as incidental,
               parts[c.ordinality * 3 - 1]::jsonb as raw
        from (values ((u.sync_source = 'webhook') <> (c.source = 'webhook'))) as a(is_other_origin)
        -- Prevents inlining, so that the JSON is parsed once for each row.
        offset 0
      ) k
    where c.kind = 'upsert' and not settled_outcomes ? coalesce(c.svix_id, '')
    -- Prevents inlining, so that each comparison is computed once for each row.
    offset 0
  ), judged as materialized (
    select *,
           is_role_newer and role_differs as role_changes,
           case
             when id is null then 'applied'
             when is_tombstone then 'stale'
             when is_same_content and not (is_role_newer and role_differs) and (is_newer or is_same_version) then 'unchanged'
             when is_newer then 'applied'
             else 'stale'
           end as outcome,
           is_newer and version is distinct from known_version
             or is_role_newer and (role_differs or version is distinct from known_role_version) as updates_version
    from compared
  ), inserted as (
    insert into public.users (clerk_id, name, email, email_verified, image_url, login_method, role, last_signed_in,
                              raw_json, clerk_created_at, clerk_updated_at, clerk_version, role_version, synced_at,
                              sync_source, created_at, updated_at)
    select clerk_id, name, email, email_verified, image_url, login_method, coalesce(role, 'user')::public.role,
           clerk_sync.to_column(last_signed_in, as_user.last_signed_in), raw,
           clerk_sync.to_column(clerk_created_at, as_user.clerk_created_at),
           clerk_sync.to_column(clerk_updated_at, as_user.clerk_updated_at), version,
           case when role is not null then version end, clerk_sync.to_column(applied_at, as_user.synced_at), source,
           clerk_sync.to_column(applied_at, as_user.created_at), clerk_sync.to_column(applied_at, as_user.updated_at)
    from judged where id is null
    returning id
  ), updated as (
    update public.users u
    set name = case when j.is_newer then j.name else u.name end,
        email = case when j.is_newer then j.email else u.email end,
        email_verified = case when j.is_newer then j.email_verified else u.email_verified end,
        image_url = case when j.is_newer then j.image_url else u.image_url end,
        login_method = case when j.is_newer then j.login_method else u.login_method end,
        last_signed_in = case when j.is_newer then clerk_sync.to_column(j.last_signed_in, u.last_signed_in)
                              else u.last_signed_in end,
        raw_json = case when j.is_newer and not j.is_same_raw then j.raw else u.raw_json end,
        clerk_created_at = case when j.is_newer then clerk_sync.to_column(j.clerk_created_at, u.clerk_created_at)
                                else u.clerk_created_at end,
        clerk_updated_at = case when j.is_newer then clerk_sync.to_column(j.clerk_updated_at, u.clerk_updated_at)
                                else u.clerk_updated_at end,
        clerk_version = case when j.is_newer then j.version else u.clerk_version end,
        role = case when j.is_role_newer then j.role::public.role else u.role end,
        role_version = case when j.is_role_newer then j.version else u.role_version end,
        updated_at = case when j.outcome = 'applied' or j.role_changes then clerk_sync.to_column(applied_at, u.updated_at)
                          else u.updated_at end,
        synced_at = case when j.is_newer then clerk_sync.to_column(applied_at, u.synced_at) else u.synced_at end,
        sync_source = case when j.is_newer then j.source else u.sync_source end
    from judged j
    -- `any`: with `=`, a plan cached while the table was empty would read the whole index.
    where u.id = any (array[j.id]) and not j.is_tombstone and (j.outcome = 'applied' or j.updates_version)
    returning u.id
  )
  select coalesce(jsonb_object_agg(clerk_id, outcome), '{}'),
         array_agg(vacated_key) filter (
           where is_newer and not is_tombstone and vacated_key is not null
             and vacated_key is distinct from case when email_verified then public.clerk_email_key(email) end
         ),
         count(*) filter (where id is null),
         count(*) filter (where id is not null and not is_tombstone and (outcome = 'applied' or role_changes)),
         count(*) filter (where id is null or not is_tombstone and (outcome = 'applied' or updates_version)),
         (select count(*) from inserted) + (select count(*) from updated),
         array_agg(clerk_id) filter (
           where not is_tombstone and (select m.id from public.mentorados m where m.user_id = judged.id) is null),
         -- Two cases need the widths without an error of Postgres: trailing blanks that do not fit are cut silently; and
         -- an older change of the stored updated_at is `unchanged` if its content is what the columns hold, which may
         -- have been cut, else `stale`.
         bool_or(outcome = 'stale' and is_same_version or name like '% ' or email like '% '
                 or image_url like '% ' or login_method like '% ')
    into user_outcomes, vacated_keys, created, changed, expected_rows, written_rows, unlinked_clerk_ids,
         needs_widths
    from judged;
  if needs_widths and widths.is_known is not true then
    raise exception 'the widths of the columns have to be known' using errcode = 'string_data_right_truncation';
  end if;
  if written_rows <> expected_rows then
    perform clerk_sync.fail_unwritten('public.users', expected_rows - written_rows);
  end if;
end
$$;
