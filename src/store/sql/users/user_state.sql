-- Everything stored about one Clerk user, as a JSON object: the row, its mentorado, the link status and the newest event.
-- An unknown user has the state `missing`.
create function clerk_sync.user_state(of_clerk_id text) returns jsonb
language sql stable
as $$
  select jsonb_build_object(
    'state', case when u.id is null then 'missing' when u.deleted_at is not null then 'deleted' else 'synced' end,
    'link', clerk_sync.link_state(
      u.id is null or u.deleted_at is not null, m.id is not null, u.link_held_at is not null,
      public.clerk_email_key(u.email) is not null, u.email_verified,
      exists (select from public.mentorados p
              where clerk_sync.is_same_key(public.clerk_email_key(p.email), public.clerk_email_key(u.email)))),
    'user', case when u.id is not null then jsonb_build_object(
      'id', u.id, 'clerk_id', u.clerk_id, 'name', u.name, 'email', u.email, 'email_verified', u.email_verified,
      'image_url', u.image_url, 'login_method', u.login_method, 'role', u.role,
      'created_at', clerk_sync.from_column(u.created_at), 'updated_at', clerk_sync.from_column(u.updated_at),
      'last_signed_in', clerk_sync.from_column(u.last_signed_in),
      'clerk_created_at', clerk_sync.from_column(u.clerk_created_at),
      'clerk_updated_at', clerk_sync.from_column(u.clerk_updated_at),
      'deleted_at', clerk_sync.from_column(u.deleted_at), 'synced_at', clerk_sync.from_column(u.synced_at),
      'sync_source', u.sync_source) end,
    'mentorado', case when m.id is not null then jsonb_build_object(
      'id', m.id, 'user_id', m.user_id, 'nome_completo', m.nome_completo, 'email', m.email, 'foto_url', m.foto_url,
      'turma', m.turma, 'ativo', m.ativo, 'created_at', clerk_sync.from_column(m.created_at),
      'updated_at', clerk_sync.from_column(m.updated_at)) end,
    'last_event', case when e.svix_id is not null then jsonb_build_object(
      'svix_id', e.svix_id, 'type', e.type, 'clerk_id', e.clerk_id, 'outcome', e.outcome, 'error_code', e.error_code,
      'error_detail', e.error_detail, 'occurred_at', e.occurred_at, 'received_at', e.received_at,
      'settled_at', e.settled_at, 'attempts', e.attempts) end
  )
  from (values (of_clerk_id)) as asked(clerk_id)
    left join public.users u on u.clerk_id = asked.clerk_id
    left join public.mentorados m on m.user_id = u.id
    left join lateral (
      select * from public.webhook_events w
      where w.clerk_id = asked.clerk_id order by w.received_at desc nulls last limit 1
    ) e on true
$$;
