-- Links a mentorado to a user by an operator's decision. {"clerk_id", "mentorado_id", "actor"} → {"error": null} or
-- {"error": "user_not_found" | "mentorado_not_found" | "claimed"}. The user's former mentorado is released.
create function clerk_sync.resolve_link(argument jsonb) returns jsonb
language plpgsql
set lock_timeout = '3s'
as $$
declare
  -- Serialises operators' decisions with user changes.
  decided_at constant timestamptz := clerk_sync.lock_writer();
  found_user public.users;
  found_mentorado public.mentorados;
  former_id bigint;
begin
  select * into found_user from public.users where clerk_id = argument ->> 'clerk_id' and deleted_at is null;
  if found_user.id is null then
    return '{"error": "user_not_found"}';
  end if;
  select * into found_mentorado from public.mentorados where id = (argument -> 'mentorado_id')::bigint;
  if found_mentorado.id is null then
    return '{"error": "mentorado_not_found"}';
  end if;
  if exists (select from public.users where id = found_mentorado.user_id and id <> found_user.id and deleted_at is null) then
    return '{"error": "claimed"}';
  end if;
  update public.users set link_held_at = null where id = found_user.id and link_held_at is not null;
  if exists (select from public.users where id = found_user.id and link_held_at is not null) then
    perform clerk_sync.fail_unwritten('public.users', 1);
  end if;
  if found_mentorado.user_id = found_user.id then
    return '{"error": null}';
  end if;

  update public.mentorados set user_id = null, updated_at = clerk_sync.to_column(decided_at, updated_at)
  where user_id = found_user.id returning id into former_id;
  update public.mentorados
  set user_id = found_user.id, updated_at = clerk_sync.to_column(decided_at, updated_at) where id = found_mentorado.id;
  if not exists (select from public.mentorados where id = found_mentorado.id and user_id = found_user.id) then
    perform clerk_sync.fail_unwritten('public.mentorados', 1);
  end if;
  insert into public.mentorado_links (mentorado_id, user_id, clerk_id, action, actor, at)
  select d.mentorado_id, found_user.id, found_user.clerk_id, d.action, argument ->> 'actor', decided_at
  from (values (former_id, 'released'), (found_mentorado.id, 'resolved')) as d(mentorado_id, action)
  where d.mentorado_id is not null;
  return '{"error": null}';
end
$$;
