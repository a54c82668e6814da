-- An operator's decision: this profile is this user's. {"clerk_id", "mentorado_id", "actor"} → {"error": null} or
-- {"error": "user_not_found" | "mentorado_not_found" | "claimed"}. A profile the user had before is released.
create or replace function resolve_link(argument jsonb) returns jsonb
language plpgsql
set search_path = public, pg_temp
set timezone = 'UTC'
set lock_timeout = '3s'
as $$
declare
  found_user users;
  found_mentorado mentorados;
  former_id integer;
begin
  -- The lock of apply_user_changes: decisions and changes take their turns.
  perform pg_advisory_xact_lock(7164381920153);
  select * into found_user from users where clerk_id = argument ->> 'clerk_id' and deleted_at is null;
  if found_user.id is null then
    return '{"error": "user_not_found"}';
  end if;
  select * into found_mentorado from mentorados where id = (argument -> 'mentorado_id')::bigint;
  if found_mentorado.id is null then
    return '{"error": "mentorado_not_found"}';
  end if;
  if exists (select from users where id = found_mentorado.user_id and id <> found_user.id and deleted_at is null) then
    return '{"error": "claimed"}';
  end if;
  update users set link_held_at = null where id = found_user.id and link_held_at is not null;
  if found_mentorado.user_id = found_user.id then
    return '{"error": null}';
  end if;

  update mentorados set user_id = null, updated_at = now() where user_id = found_user.id returning id into former_id;
  update mentorados set user_id = found_user.id, updated_at = now() where id = found_mentorado.id;
  insert into mentorado_links (mentorado_id, user_id, clerk_id, action, actor)
  select d.mentorado_id, found_user.id, found_user.clerk_id, d.action, argument ->> 'actor'
  from (values (former_id, 'released'), (found_mentorado.id, 'resolved')) as d(mentorado_id, action)
  where d.mentorado_id is not null;
  return '{"error": null}';
end
$$;
