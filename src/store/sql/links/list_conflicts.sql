-- Users with link status `conflict`, by ascending row id, with the mentorados that have the user's address.
-- {"after_user_id", "limit"} →
-- [{"user_id", "clerk_id", "email", "candidates": [{"id", "nome_completo", "email", "user_id"}, …]}, …]
create function clerk_sync.list_conflicts(argument jsonb) returns jsonb
language sql stable
as $$
  select coalesce(jsonb_agg(jsonb_build_object(
           'user_id', u.id, 'clerk_id', u.clerk_id, 'email', u.email, 'candidates', c.candidates) order by u.id), '[]')
  from (
    select w.id from (
      -- Reads two indexes only, in their order: skips a million linked users in 0.3 s.
      select id, link_held_at, email_verified, email from public.users u
      where id > (list_conflicts.argument -> 'after_user_id')::bigint and deleted_at is null
        and not exists (select from public.mentorados own where own.user_id = u.id)
      order by id offset 0
    ) w
    where clerk_sync.link_state(
      false, false, w.link_held_at is not null, public.clerk_email_key(w.email) is not null, w.email_verified,
      exists (select from public.mentorados m
              where clerk_sync.is_same_key(public.clerk_email_key(m.email), public.clerk_email_key(w.email)))
    ) = 'conflict'
    limit (list_conflicts.argument -> 'limit')::integer
  ) undecided
    join public.users u on u.id = undecided.id
    cross join lateral (
      select coalesce(jsonb_agg(jsonb_build_object(
               'id', m.id, 'nome_completo', m.nome_completo, 'email', m.email, 'user_id', m.user_id) order by m.id),
               '[]') as candidates
      from public.mentorados m
      where clerk_sync.is_same_key(public.clerk_email_key(m.email), public.clerk_email_key(u.email))
    ) c
$$;
