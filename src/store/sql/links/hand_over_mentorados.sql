-- Gives each unclaimed mentorado that has one of these addresses (as of clerk_email_key) to the one active user who waits
-- for it. Several mentorados or several users: no guess. Called by apply_user_changes, under its lock and settings, when an
-- address has been left: by a deletion, which releases a mentorado or leaves one user fewer waiting, or by a change.
create function clerk_sync.hand_over_mentorados(email_keys text[], applied_at timestamptz) returns void
language plpgsql
as $$
declare
  given bigint;
  written bigint;
begin
  with matched as materialized (
    select p.mentorado_id, w.user_id, w.clerk_id
    from (select distinct k collate "C" from unnest(email_keys) as all_keys(k)) as keys(email_key)
      cross join lateral (
        select min(m.id) as mentorado_id
        from public.mentorados m where clerk_sync.is_same_key(public.clerk_email_key(m.email), keys.email_key)
        having count(*) = 1 and count(m.user_id) = 0
      ) p
      cross join lateral (
        select min(u.id) as user_id, min(u.clerk_id::text) as clerk_id
        from public.users u
        where clerk_sync.is_same_key(public.clerk_email_key(u.email), keys.email_key)
          and clerk_sync.may_be_linked(u.deleted_at is not null, u.email_verified, u.link_held_at is not null)
          and (select m.id from public.mentorados m where m.user_id = u.id) is null
        having count(*) = 1
      ) w
  ), handed as (
    update public.mentorados m set user_id = h.user_id, updated_at = clerk_sync.to_column(applied_at, m.updated_at)
    from matched h where m.id = h.mentorado_id
    returning m.id as mentorado_id, h.user_id, h.clerk_id
  ), trail as (
    insert into public.mentorado_links (mentorado_id, user_id, clerk_id, action, actor, at)
    select mentorado_id, user_id, clerk_id, 'linked', 'release', applied_at from handed
    returning id
  )
  select (select count(*) from matched), count(*) into given, written from trail;
  if written <> given then
    perform clerk_sync.fail_unwritten('public.mentorados', given - written);
  end if;
end
$$;
