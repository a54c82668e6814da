-- Active users without a mentorado who can be linked now, by ascending row id; only Clerk ids.
-- {"after_user_id", "limit", "clerk_id_pattern"} → [{"user_id", "clerk_id"}, …]
create function clerk_sync.list_linkable_users(argument jsonb) returns jsonb
language plpgsql stable
-- As in list_unseen_users. The laterally joined lookups by address remain nested loops.
set enable_nestloop = off
as $$
begin
  return (
    with waiting as materialized (
      select u.id, u.clerk_id, public.clerk_email_key(u.email) as email_key
      from public.users u left join public.mentorados m on m.user_id = u.id
      where m.id is null
        and clerk_sync.may_be_linked(u.deleted_at is not null, u.email_verified, u.link_held_at is not null)
        and public.clerk_email_key(u.email) is not null and u.id > (argument -> 'after_user_id')::bigint
        and u.clerk_id collate "C" ~ (argument ->> 'clerk_id_pattern')
    ), linkable as (
      select w.id, w.clerk_id
      from waiting w
        cross join lateral (
          select count(*) as mentorados, count(m.user_id) as claimed
          from public.mentorados m where clerk_sync.is_same_key(public.clerk_email_key(m.email), w.email_key)
        ) found
      where found.mentorados = 0 or found.mentorados = 1 and found.claimed = 0
      order by w.id limit (argument -> 'limit')::integer
    )
    select coalesce(jsonb_agg(jsonb_build_object('user_id', id, 'clerk_id', clerk_id) order by id), '[]') from linkable
  );
end
$$;
