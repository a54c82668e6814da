-- Numbers of users, and of active users by link status. Reads only two indexes (users_standing_index,
-- mentorados_user_id_unique): 0.4 s of one core for a million users. No parallel workers, which would compete with
-- deliveries.
create function clerk_sync.user_figures() returns jsonb
language sql stable
set jit = off
set max_parallel_workers_per_gather = 0
as $$
  select jsonb_build_object(
    'users', jsonb_build_object(
      'total', count(*),
      'active', count(*) filter (where not is_deleted),
      'deleted', count(*) filter (where is_deleted)),
    'links', jsonb_build_object(
      'linked', count(*) filter (where link = 'linked'),
      'unverified', count(*) filter (where link = 'unverified'),
      'no_email', count(*) filter (where link = 'no_email'),
      'conflict', count(*) filter (where link = 'conflict')))
  from (
    select u.deleted_at is not null as is_deleted,
           clerk_sync.link_state(
             u.deleted_at is not null, m.user_id is not null, u.link_held_at is not null,
             public.clerk_email_key(u.email) is not null, u.email_verified,
             exists (select from public.mentorados p
                     where clerk_sync.is_same_key(public.clerk_email_key(p.email), public.clerk_email_key(u.email)))
           ) as link
    from public.users u left join public.mentorados m on m.user_id = u.id
    -- `offset 0`, or link_state would be computed once for each figure.
    offset 0
  ) users_by_link
$$;
