-- A rehearsal: runs made-up users through the entry points and rolls everything back. It finds what the database would
-- refuse before a real user is affected. steps: [{"name", "does", …}, …], see rehearse_step. Returns one
-- failure per failed step; empty: no obstacles. Sequences advance, and effects of triggers outside the transaction remain.

-- Runs one step; returns null if it succeeds. does:
--   apply   {"batch", "texts", "expected"} and optionally {"clerk_id"}: that user's state and link are checked too
--   report  {"batch", "texts", "expected"}: a dry run
--   link_decision  {"clerk_id", "expected"}: an operator unlinks and relinks the user's mentorado, if there is one
--   run     {"open", "page", "texts", "expected"}: a run with one page
--   retention  {"svix_ids", "expected"}: retention
create function clerk_sync.rehearse_step(step jsonb) returns jsonb
language plpgsql
as $$
declare
  outcome jsonb;
  state jsonb;
  wanted_id bigint;
  failure jsonb;
begin
  case step ->> 'does'
    when 'apply' then
      outcome := clerk_sync.apply_user_changes(step -> 'batch', step ->> 'texts') -> 'outcomes';
      if step ? 'clerk_id' then
        state := clerk_sync.user_state(step ->> 'clerk_id');
        outcome := outcome || jsonb_build_array(state -> 'state',
          -- A column too narrow for the address (some 20 characters) stays empty; any other empty address is a failure.
          case when state #>> '{user,email}' is null and (clerk_sync.text_widths()).email < 30
               then to_jsonb('linked'::text) else state -> 'link' end);
      end if;
    when 'report' then
      outcome := clerk_sync.apply_and_report(
        jsonb_build_object('batch', step -> 'batch', 'dry_run', true), step ->> 'texts') -> 'outcomes';
    when 'link_decision' then
      select m.id into wanted_id from public.mentorados m join public.users u on u.id = m.user_id
      where u.clerk_id = step ->> 'clerk_id';
      outcome := step -> 'expected';
      if wanted_id is not null then
        perform clerk_sync.unlink_mentorado(jsonb_build_object('mentorado_id', wanted_id, 'actor', 'rehearsal'));
        outcome := jsonb_build_array(clerk_sync.user_state(step ->> 'clerk_id') -> 'link');
        perform clerk_sync.resolve_link(jsonb_build_object(
          'clerk_id', step ->> 'clerk_id', 'mentorado_id', wanted_id, 'actor', 'rehearsal'));
        outcome := outcome || (clerk_sync.user_state(step ->> 'clerk_id') -> 'link');
      end if;
    when 'run' then
      perform clerk_sync.open_run(step -> 'open');
      insert into public.sync_run_pages (run_id, step, user_ids) values ((step #>> '{open,run_id}')::uuid, 0, '{}');
      outcome := clerk_sync.apply_run_page(step -> 'page', step ->> 'texts') - 'ms';
    when 'retention' then
      delete from public.webhook_events
      where svix_id in (select jsonb_array_elements_text(step -> 'svix_ids'));
      -- Tests the rights only.
      perform clerk_sync.fold_counters('-infinity');
      perform clerk_sync.roll_up_counters('{"row_limit": 0}');
      outcome := step -> 'expected';
  end case;
  begin
    -- Checks deferred constraints as a commit would; rolled back at once, so that the next step has them deferred again.
    set constraints all immediate;
    raise exception 'rehearsal' using errcode = 'DRYRN';
  exception when sqlstate 'DRYRN' then
    null;
  end;
  if outcome is distinct from step -> 'expected' then
    raise exception 'expected %, found %', step -> 'expected', outcome using errcode = 'UNEXP';
  end if;
  return null;
exception when others then
  declare
    message text;
    on_table text;
    on_column text;
    of_constraint text;
    of_type text;
    context text;
  begin
    get stacked diagnostics message = message_text, on_table = table_name, on_column = column_name,
      of_constraint = constraint_name, of_type = pg_datatype_name, context = pg_exception_context;
    -- The database is busy or shutting down, which is not an obstacle, unless a trigger raised that code.
    if sqlstate in ('LOCKD', 'SLOWD')
       or (sqlstate in ('40001', '40P01', '55P03') or left(sqlstate, 2) in ('08', '53', '57', '58'))
          and context !~ '^[^\n]* at RAISE\n' then
      raise;
    end if;
    return jsonb_build_object(
      'step', step ->> 'name', 'code', sqlstate, 'message', message, 'table', nullif(on_table, ''),
      'column', nullif(on_column, ''), 'constraint', nullif(of_constraint, ''), 'type', nullif(of_type, ''),
      'context', context);
  end;
end
$$;

create function clerk_sync.rehearse(steps jsonb) returns jsonb
language plpgsql
-- Short, because deliveries have priority: a rehearsal that does not get the lock is retried later.
set lock_timeout = '2s'
as $$
declare
  step jsonb;
  failures jsonb := '[]';
begin
  begin
    -- Outside of the steps, so that a failed step does not release the lock.
    perform clerk_sync.lock_writer();
    for step in select e.value from jsonb_array_elements(steps) with ordinality as e(value, place) order by e.place loop
      failures := failures || coalesce(clerk_sync.rehearse_step(step), '[]');
    end loop;
    raise exception 'rehearsal' using errcode = 'DRYRN';
  exception when sqlstate 'DRYRN' then
    null;
  end;
  return failures;
end
$$;
