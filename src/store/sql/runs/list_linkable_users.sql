-- Active users without a profile who could have one by now, by ascending row id; ids that Clerk cannot know are left
-- out. {"after_user_id", "limit"} → [{"userId", "clerkId"}, …]
create or replace function list_linkable_users(argument jsonb) returns jsonb
language plpgsql stable
set search_path = public, pg_temp
-- As in list_unseen_users. The lookups by address below have no other way, and stay lookups.
set enable_nestloop = off
as $$
begin
  return (
    with waiting as materialized (
      select u.id, u.clerk_id, clerk_email_key(u.email) as email_key
      from users u left join mentorados m on m.user_id = u.id
      where m.id is null and u.deleted_at is null and u.email_verified and u.link_held_at is null
        and clerk_email_key(u.email) is not null and u.id > (argument -> 'after_user_id')::integer
        and u.clerk_id ~ '^user_[A-Za-z0-9]{1,60}$'
    ), linkable as (
      select w.id, w.clerk_id
      from waiting w
        cross join lateral (
          select count(*) as profiles, count(m.user_id) as claimed
          from mentorados m where clerk_email_key(m.email) = w.email_key
        ) found
      where found.profiles = 0 or found.profiles = 1 and found.claimed = 0
      order by w.id limit (argument -> 'limit')::integer
    )
    select coalesce(jsonb_agg(jsonb_build_object('userId', id, 'clerkId', clerk_id) order by id), '[]') from linkable
  );
end
$$;
