-- Applies the deletions of a batch: writes tombstones, erases personal data in `users` and the ledger, releases mentorados
-- and links them, and those of the users' own addresses, to waiting users. user_outcomes: by clerk_id.
-- Called by apply_changes, under the lock and settings of apply_user_changes.
create function clerk_sync.apply_deletions(
  changes clerk_sync.change[], settled_outcomes jsonb, applied_at timestamptz, out user_outcomes jsonb, out deleted bigint
)
language plpgsql
as $$
declare
  -- For the types of its columns, see to_column.
  as_user constant public.users := null;
  deleted_ids bigint[];
  deleted_clerk_ids text[];
  vacated_keys text[];
  released_keys text[];
  expected_rows bigint;
  written_rows bigint;
begin
  with deletions as materialized (
    select c.clerk_id, c.source, c.deleted_at, u.id, clerk_sync.from_column(u.deleted_at) as known_deleted_at,
           case when u.email_verified then public.clerk_email_key(u.email) end as vacated_key,
           u.name, u.email, u.image_url, u.raw_json
    from unnest(changes) c left join public.users u on u.clerk_id = c.clerk_id
    where c.kind = 'delete' and not settled_outcomes ? coalesce(c.svix_id, '')
  ), inserted as (
    insert into public.users (clerk_id, role, email_verified, deleted_at, last_signed_in, synced_at, sync_source,
                              created_at, updated_at)
    select d.clerk_id, 'user', false, clerk_sync.to_column(d.deleted_at, as_user.deleted_at),
           clerk_sync.to_column(d.deleted_at, as_user.last_signed_in),
           clerk_sync.to_column(applied_at, as_user.synced_at), d.source,
           clerk_sync.to_column(applied_at, as_user.created_at), clerk_sync.to_column(applied_at, as_user.updated_at)
    from deletions d where d.id is null
    returning id
  ), erased as (
    update public.users u
    set name = null, email = null, image_url = null, raw_json = null, login_method = null, role = 'user',
        email_verified = false, clerk_created_at = null, clerk_updated_at = null, clerk_version = null,
        role_version = null, link_held_at = null, deleted_at = clerk_sync.to_column(d.deleted_at, u.deleted_at),
        last_signed_in = clerk_sync.to_column(d.deleted_at, u.last_signed_in),
        updated_at = clerk_sync.to_column(applied_at, u.updated_at),
        synced_at = clerk_sync.to_column(applied_at, u.synced_at), sync_source = d.source
    from deletions d where u.id = d.id and d.known_deleted_at is null
    -- Detects a trigger that restored erased values.
    returning u.id, (u.deleted_at is null or u.name = d.name or u.email = d.email or u.image_url = d.image_url
                     or u.raw_json = d.raw_json) is true as is_restored
  ), corrected as (
    -- Of several deletions of one user the earliest time is kept, so that their order does not matter.
    update public.users u
    set deleted_at = clerk_sync.to_column(d.deleted_at, u.deleted_at),
        last_signed_in = clerk_sync.to_column(d.deleted_at, u.last_signed_in), sync_source = d.source
    from deletions d where u.id = d.id and d.known_deleted_at > d.deleted_at
    returning u.id
  )
  select coalesce(jsonb_object_agg(d.clerk_id, case when d.known_deleted_at is null then 'applied' else 'unchanged' end),
                  '{}'),
         (select array_agg(id) from erased),
         array_agg(d.clerk_id) filter (where d.known_deleted_at is null),
         array_agg(d.vacated_key) filter (where d.vacated_key is not null),
         count(*) filter (where d.known_deleted_at is null),
         count(*) filter (where d.known_deleted_at is null or d.known_deleted_at > d.deleted_at),
         (select count(*) from inserted) + (select count(*) from erased where not is_restored)
           + (select count(*) from corrected)
    into user_outcomes, deleted_ids, deleted_clerk_ids, vacated_keys, deleted, expected_rows, written_rows
    from deletions d;
  if written_rows <> expected_rows then
    perform clerk_sync.fail_unwritten('public.users', expected_rows - written_rows);
  end if;

  update public.webhook_events set payload = null where clerk_id = any (deleted_clerk_ids) and payload is not null;

  with released as (
    update public.mentorados m
    set user_id = null, updated_at = clerk_sync.to_column(applied_at, m.updated_at)
    from public.users u where m.user_id = any (deleted_ids) and u.id = m.user_id
    returning m.id as mentorado_id, u.id as user_id, u.clerk_id, public.clerk_email_key(m.email) as email_key
  ), audit as (
    insert into public.mentorado_links (mentorado_id, user_id, clerk_id, action, actor, svix_id, at)
    select r.mentorado_id, r.user_id, r.clerk_id, 'released', c.source, c.svix_id, applied_at
    from released r join unnest(changes) c on c.clerk_id = r.clerk_id and c.kind = 'delete'
  )
  select array_agg(email_key) into released_keys from released;
  if exists (select from public.mentorados where user_id = any (deleted_ids)) then
    perform clerk_sync.fail_unwritten('public.mentorados', 1);
  end if;

  if vacated_keys is not null or released_keys is not null then
    perform clerk_sync.hand_over_mentorados(vacated_keys || released_keys, applied_at);
  end if;
end
$$;
