-- Gives each unclaimed profile that has one of these addresses (as of clerk_email_key) to the one active user who waits
-- for it. Several profiles or several users: no guess. Called by apply_user_changes, under its lock and settings,
-- when an address has been left: by a deletion, which releases a profile or leaves one waiting fewer, or by a change.
create or replace function hand_over_profiles(email_keys text[], moment timestamptz) returns void
language plpgsql
as $$
begin
  with matched as materialized (
    select p.mentorado_id, w.user_id, w.clerk_id
    from (select distinct k from unnest(email_keys) as all_keys(k)) as keys(email_key)
      cross join lateral (
        select min(m.id) as mentorado_id
        from mentorados m where clerk_email_key(m.email) = keys.email_key
        having count(*) = 1 and count(m.user_id) = 0
      ) p
      cross join lateral (
        select min(u.id) as user_id, min(u.clerk_id) as clerk_id
        from users u
        where clerk_email_key(u.email) = keys.email_key
          and u.deleted_at is null and u.email_verified and u.link_held_at is null
          and (select m.id from mentorados m where m.user_id = u.id) is null
        having count(*) = 1
      ) w
  ), handed as (
    update mentorados m set user_id = h.user_id, updated_at = moment
    from matched h where m.id = h.mentorado_id
    returning m.id as mentorado_id, h.user_id, h.clerk_id
  )
  insert into mentorado_links (mentorado_id, user_id, clerk_id, action, actor, at)
  select mentorado_id, user_id, clerk_id, 'linked', 'release', moment from handed;
end
$$;
