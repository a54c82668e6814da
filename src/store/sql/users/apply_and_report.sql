-- apply_user_changes for those who want to see what it does: {"batch": …, "dry_run": boolean, "states": boolean} →
-- {"outcomes": […], "before": […], "after": […]}, the states as of user_state(), one per change, only if asked for.
-- A dry run does everything and then undoes it, so that it cannot say anything else than what would happen.
drop function if exists apply_and_report(jsonb);
create or replace function apply_and_report(argument jsonb, texts text) returns jsonb
language plpgsql
set search_path = public, pg_temp
as $$
declare
  clerk_ids constant text[] := array(select c ->> 'clerk_id' from jsonb_array_elements(argument #> '{batch,changes}') c);
  states constant boolean := coalesce((argument -> 'states')::boolean, false);
  outcomes jsonb;
  before jsonb;
  after jsonb;
begin
  -- The lock that apply_user_changes takes, so that "before" is what it finds.
  perform pg_advisory_xact_lock(7164381920153);
  if states then
    before := (select jsonb_agg(user_state(id) order by place) from unnest(clerk_ids) with ordinality as i(id, place));
  end if;
  begin
    outcomes := apply_user_changes(argument -> 'batch', texts);
    if states then
      after := (select jsonb_agg(user_state(id) order by place) from unnest(clerk_ids) with ordinality as i(id, place));
    end if;
    if (argument -> 'dry_run')::boolean then
      raise exception 'dry run' using errcode = 'DRYRN';
    end if;
  exception when sqlstate 'DRYRN' then
    null;
  end;
  return jsonb_build_object('outcomes', outcomes, 'before', before, 'after', after);
end
$$;
