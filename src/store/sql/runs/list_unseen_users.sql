-- Active users that a full reconcile has not seen at Clerk, by ascending row id; only Clerk ids.
-- {"run_id", "after_user_id", "limit", "clerk_id_pattern"} → [{"user_id", "clerk_id"}, …]
create function clerk_sync.list_unseen_users(argument jsonb) returns jsonb
language plpgsql stable
-- A nested loop over all rows and all seen ids, which the planner prefers without statistics, would take days for a
-- million users.
set enable_nestloop = off
as $$
begin
  return (
    with seen as materialized (
      select unnest(user_ids) as id from public.sync_run_pages where run_id = (argument ->> 'run_id')::uuid
    ), unseen as (
      select u.id, u.clerk_id
      from public.users u left join seen s on s.id = u.id
      where s.id is null and u.deleted_at is null and u.id > (argument -> 'after_user_id')::bigint
        and u.clerk_id collate "C" ~ (argument ->> 'clerk_id_pattern')
      order by u.id limit (argument -> 'limit')::integer
    )
    select coalesce(jsonb_agg(jsonb_build_object('user_id', id, 'clerk_id', clerk_id) order by id), '[]') from unseen
  );
end
$$;
