-- The deletions among the changes: leaves tombstones, erases what is personal in `users` and in the ledger, releases the
-- profiles and gives them and the addresses that were left to who waits for them. Answers the verdicts by clerk_id.
-- Called by apply_user_changes, under its lock and settings.
create or replace function apply_deletions(changes jsonb, settled jsonb, moment timestamptz) returns jsonb
language plpgsql
as $$
declare
  verdicts jsonb;
  deleted_ids integer[];
  deleted_clerk_ids text[];
  left_keys text[];
  released_keys text[];
begin
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
  return coalesce(verdicts, '{}');
end
$$;
