-- Links each unclaimed mentorado with one of these addresses (clerk_email_key) to the only active user who waits for it;
-- with several mentorados or users nothing is linked. Called under the lock and settings of apply_user_changes, when a
-- deletion or a change has freed an address: a mentorado was released, or fewer users wait for it.
create function clerk_sync.hand_over_mentorados(email_keys text[], applied_at timestamptz) returns void
language plpgsql
as $$
declare
  expected_rows bigint;
  written_rows bigint;
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
  ), linked as (
    update public.mentorados m set user_id = h.user_id, updated_at = clerk_sync.to_column(applied_at, m.updated_at)
    from matched h where m.id = h.mentorado_id
    returning m.id as mentorado_id, h.user_id, h.clerk_id
  ), audit as (
    insert into public.mentorado_links (mentorado_id, user_id, clerk_id, action, actor, at)
    select mentorado_id, user_id, clerk_id, 'linked', 'release', applied_at from linked
    returning id
  )
  select (select count(*) from matched), count(*) into expected_rows, written_rows from audit;
  if written_rows <> expected_rows then
    perform clerk_sync.fail_unwritten('public.mentorados', expected_rows - written_rows);
  end if;
end
$$;
