-- apply_user_changes for callers that want to see what it does: {"batch": …, "dry_run": boolean, "states": boolean} →
-- {"outcomes": […], "before": […], "after": […]}, the states as of user_state(), one per change, only if asked for.
-- A dry run does everything and then undoes it, so that it cannot say anything else than what would happen.
create function clerk_sync.apply_and_report(argument jsonb, texts text) returns jsonb
language plpgsql
set lock_timeout = '3s'
as $$
declare
  parts constant text[] := string_to_array(texts, argument #>> '{batch,separator}');
  clerk_ids constant text[] := array(
    select (parts[at]::clerk_sync.change).clerk_id from generate_series(1, cardinality(parts), 3) at);
  states constant boolean := coalesce((argument -> 'states')::boolean, false);
  outcomes jsonb;
  before jsonb;
  after jsonb;
begin
  -- Taken here already, so that "before" is what apply_user_changes finds.
  perform clerk_sync.lock_writer();
  if states then
    before := (select jsonb_agg(clerk_sync.user_state(id) order by place)
               from unnest(clerk_ids) with ordinality as i(id, place));
  end if;
  begin
    outcomes := clerk_sync.apply_user_changes(argument -> 'batch', texts) -> 'outcomes';
    if states then
      after := (select jsonb_agg(clerk_sync.user_state(id) order by place)
                from unnest(clerk_ids) with ordinality as i(id, place));
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
