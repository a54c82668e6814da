-- All that is known here of one Clerk user, as one JSON object: the row, its profile, how the two stand to each other,
-- and the newest delivery about the user. Unknown: state `missing`.
create or replace function user_state(of_clerk_id text) returns jsonb
language sql stable
set search_path = public, pg_temp
set timezone = 'UTC'
as $$
  select jsonb_build_object(
    'state', case when u.id is null then 'missing' when u.deleted_at is not null then 'deleted' else 'synced' end,
    'link', case
      when u.id is null or u.deleted_at is not null then 'none'
      when m.id is not null then 'linked'
      -- An operator's unlink holds until an operator decides.
      when u.link_held_at is not null then 'conflict'
      when clerk_email_key(u.email) is null then 'no_email'
      when not u.email_verified then 'unverified'
      when exists (select from mentorados p where clerk_email_key(p.email) = clerk_email_key(u.email)) then 'conflict'
      else 'none'
    end,
    'user', case when u.id is not null then jsonb_build_object(
      'id', u.id, 'clerkId', u.clerk_id, 'name', u.name, 'email', u.email, 'emailVerified', u.email_verified,
      'imageUrl', u.image_url, 'loginMethod', u.login_method, 'role', u.role, 'createdAt', u.created_at,
      'updatedAt', u.updated_at, 'lastSignedIn', u.last_signed_in, 'clerkCreatedAt', u.clerk_created_at,
      'clerkUpdatedAt', u.clerk_updated_at, 'deletedAt', u.deleted_at, 'syncedAt', u.synced_at,
      'syncSource', u.sync_source) end,
    'mentorado', case when m.id is not null then jsonb_build_object(
      'id', m.id, 'userId', m.user_id, 'nomeCompleto', m.nome_completo, 'email', m.email, 'fotoUrl', m.foto_url,
      'turma', m.turma, 'ativo', m.ativo, 'createdAt', m.created_at, 'updatedAt', m.updated_at) end,
    'lastEvent', case when e.svix_id is not null then jsonb_build_object(
      'svixId', e.svix_id, 'type', e.type, 'clerkId', e.clerk_id, 'outcome', e.outcome, 'errorCode', e.error_code,
      'occurredAt', e.occurred_at, 'receivedAt', e.received_at, 'settledAt', e.settled_at,
      'attempts', e.attempts) end
  )
  from (values (of_clerk_id)) as asked(clerk_id)
    left join users u on u.clerk_id = asked.clerk_id
    left join mentorados m on m.user_id = u.id
    left join lateral (
      select * from webhook_events w where w.clerk_id = asked.clerk_id order by w.received_at desc nulls last limit 1
    ) e on true
$$;
