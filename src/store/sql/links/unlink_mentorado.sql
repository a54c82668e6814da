-- An operator's decision: this profile is not its user's. {"mentorado_id", "actor"} → {"error": null, "clerk_id"} or
-- {"error": "mentorado_not_found"}. The user gets no profile by themselves until an operator resolves it.
create or replace function unlink_mentorado(argument jsonb) returns jsonb
language plpgsql
set search_path = public, pg_temp
set timezone = 'UTC'
set lock_timeout = '3s'
as $$
declare
  wanted_id constant bigint := (argument -> 'mentorado_id')::bigint;
  former_id integer;
  former_clerk_id text;
begin
  -- The lock of apply_user_changes: decisions and changes take their turns.
  perform pg_advisory_xact_lock(7164381920153);
  if not exists (select from mentorados where id = wanted_id) then
    return '{"error": "mentorado_not_found"}';
  end if;
  select u.id, u.clerk_id into former_id, former_clerk_id
    from mentorados m join users u on u.id = m.user_id where m.id = wanted_id;
  if former_id is not null then
    update mentorados set user_id = null, updated_at = now() where id = wanted_id;
    update users set link_held_at = now() where id = former_id;
    insert into mentorado_links (mentorado_id, user_id, clerk_id, action, actor)
    values (wanted_id, former_id, former_clerk_id, 'unlinked', argument ->> 'actor');
  end if;
  return jsonb_build_object('error', null, 'clerk_id', former_clerk_id);
end
$$;
