-- Unlinks a mentorado from its user by an operator's decision. {"mentorado_id", "actor"} → {"error": null, "clerk_id"} or
-- {"error": "mentorado_not_found"}. The user is not linked automatically until resolve_link.
create function clerk_sync.unlink_mentorado(argument jsonb) returns jsonb
language plpgsql
set lock_timeout = '3s'
as $$
declare
  -- Serialises operators' decisions with user changes.
  decided_at constant timestamptz := clerk_sync.lock_writer();
  wanted_id constant bigint := (argument -> 'mentorado_id')::bigint;
  former_id bigint;
  former_clerk_id text;
begin
  if not exists (select from public.mentorados where id = wanted_id) then
    return '{"error": "mentorado_not_found"}';
  end if;
  select u.id, u.clerk_id into former_id, former_clerk_id
    from public.mentorados m join public.users u on u.id = m.user_id where m.id = wanted_id;
  if former_id is not null then
    update public.mentorados
    set user_id = null, updated_at = clerk_sync.to_column(decided_at, updated_at) where id = wanted_id;
    if exists (select from public.mentorados where id = wanted_id and user_id is not null) then
      perform clerk_sync.fail_unwritten('public.mentorados', 1);
    end if;
    update public.users
    set link_held_at = clerk_sync.to_column(decided_at, link_held_at) where id = former_id;
    if exists (select from public.users where id = former_id and link_held_at is null) then
      perform clerk_sync.fail_unwritten('public.users', 1);
    end if;
    insert into public.mentorado_links (mentorado_id, user_id, clerk_id, action, actor, at)
    values (wanted_id, former_id, former_clerk_id, 'unlinked', argument ->> 'actor', decided_at);
  end if;
  return jsonb_build_object('error', null, 'clerk_id', former_clerk_id);
end
$$;
