-- How many users there are, and how the active ones stand to a mentorado; the states are those of user_state().
-- Read from two indexes alone (users_standing_index, mentorados_user_id_unique): with a million users some 0.4 s of
-- one core, and never of several, so that deliveries keep theirs.
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
    -- Kept apart, or the expression above would be computed once for each figure.
    offset 0
  ) users_by_link
$$;
