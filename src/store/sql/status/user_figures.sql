-- How many users there are, and how the active ones stand to a profile; the states are those of user_state().
-- Read from two indexes alone (users_standing_index, mentorados_user_id_unique): with a million users some 0.4 s of
-- one core, and never of several, so that deliveries keep theirs.
create or replace function user_figures() returns jsonb
language sql stable
set search_path = public, pg_temp
set jit = off
set max_parallel_workers_per_gather = 0
as $$
  select jsonb_build_object(
    'users', jsonb_build_object(
      'total', count(*),
      'active', count(*) filter (where standing <> 'deleted'),
      'deleted', count(*) filter (where standing = 'deleted')),
    'links', jsonb_build_object(
      'linked', count(*) filter (where standing = 'linked'),
      'unverified', count(*) filter (where standing = 'unverified'),
      'noEmail', count(*) filter (where standing = 'no_email'),
      'conflict', count(*) filter (where standing = 'conflict')))
  from (
    select case
        when u.deleted_at is not null then 'deleted'
        when m.user_id is not null then 'linked'
        when u.link_held_at is not null then 'conflict'
        when clerk_email_key(u.email) is null then 'no_email'
        when not u.email_verified then 'unverified'
        when exists (select from mentorados p where clerk_email_key(p.email) = clerk_email_key(u.email)) then 'conflict'
        else 'none'
      end as standing
    from users u left join mentorados m on m.user_id = u.id
    -- Kept apart, or the expression above would be computed once for each figure.
    offset 0
  ) users_by_standing
$$;
