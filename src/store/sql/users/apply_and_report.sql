-- apply_user_changes with the states (see user_state) of all users before and after it: {"batch": …, "dry_run": boolean} →
-- {"outcomes": […], "before": […], "after": […]}. A dry run does everything and is rolled back, so its report is exact.
create function clerk_sync.apply_and_report(argument jsonb, texts text) returns jsonb
language plpgsql
set lock_timeout = '3s'
as $$
declare
  parts constant text[] := string_to_array(texts, argument #>> '{batch,separator}');
  clerk_ids constant text[] := array(
    select (parts[at]::clerk_sync.change).clerk_id from generate_series(1, cardinality(parts), 3) at);
  outcomes jsonb;
  before jsonb;
  after jsonb;
begin
  -- So that nothing changes between "before" and apply_user_changes.
  perform clerk_sync.lock_writer();
  before := (select jsonb_agg(clerk_sync.user_state(id) order by place)
             from unnest(clerk_ids) with ordinality as i(id, place));
  begin
    outcomes := clerk_sync.apply_user_changes(argument -> 'batch', texts) -> 'outcomes';
    after := (select jsonb_agg(clerk_sync.user_state(id) order by place)
              from unnest(clerk_ids) with ordinality as i(id, place));
    if (argument -> 'dry_run')::boolean then
      raise exception 'dry run' using errcode = 'DRYRN';
    end if;
  exception when sqlstate 'DRYRN' then
    null;
  end;
  return jsonb_build_object('outcomes', outcomes, 'before', before, 'after', after);
end
$$;
