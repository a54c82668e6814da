-- Applies one batch of user changes. Every change from Clerk is written here; operators' decisions (resolve_link,
-- unlink_mentorado) and retention are written by functions of their own.
--
-- batch: {"default_turma": text or null, "separator": text, "has_deletions": boolean, "has_upserts": boolean,
-- "has_replays": boolean, "lock_wait_ms": number or null, "leaving": [`change` rows as text, …] or absent}. lock_wait_ms:
-- how long a locked row is waited for; null: as in lock_writer. leaving: see release_addresses.
-- texts: three for each change, with the separator between them: a `change` as Postgres writes rows, the Clerk user as
-- JSON and the ledger's payload. As JSON all of them are expensive to read.
-- The caller ensures that each clerk_id and each svix_id occurs at most once in a batch.
-- Returns {"outcomes", "created", "changed", "deleted", "ms"}.
-- outcomes: one per change, in order; `busy`: another transaction has locked a row that the change needs, and nothing of it
-- was written. created, changed, deleted: rows of users inserted, with new content, and turned into tombstones. ms: duration
-- of the last attempt, without the wait for the writer's lock.
-- Errors: LOCKD: a row lock timed out, and find_locked did not find its change, or it timed out again; SLOWD: cancelled
-- while it held the writer's lock (cancel_slow_batch, statement_timeout); 55P03: the writer's lock or a table lock timed out.
--
-- The result equals a serial order of the changes: deletions first, then the rest in the given order. Mentorados of freed
-- addresses are linked after the deletions and again at the end.
create function clerk_sync.apply_user_changes(batch jsonb, texts text) returns jsonb
language plpgsql
-- Every join below finds a few rows by an index. A plan cached while a table was small would scan it later, and planning
-- at each call costs more than executing.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
-- Without statistics, as after an upgrade of Postgres, the planner expects so many rows that it would compile each call.
set jit = off
-- Less than the caller's deadline, so that a waiting call releases its connection.
set lock_timeout = '3s'
as $$
declare
  -- The rows are parsed before the lock is taken, while the batch before this one is still being written.
  parts constant text[] := string_to_array(texts, batch ->> 'separator');
  changes clerk_sync.change[] := array(
    select parts[at]::clerk_sync.change from generate_series(1, cardinality(parts), 3) at);
  applied_at constant timestamptz := clerk_sync.lock_writer();
  -- Queried only after a value did not fit, because the query costs as much as a statement. From then on this connection
  -- queries them in each batch.
  widths clerk_sync.widths;
  started_at timestamptz;
  result record;
  has_busy boolean := false;
  busy_place integer;
  -- Whether the last attempt failed with a unique or exclusion violation.
  had_unique_violation boolean := false;
  vacated_keys text[];
  error_context text;
begin
  if batch -> 'lock_wait_ms' is not null then
    perform set_config('lock_timeout', batch ->> 'lock_wait_ms', true);
  end if;
  if current_setting('clerk_neon_sync.has_long_values', true) = 'on' then
    widths := clerk_sync.text_widths();
  end if;
  loop
    started_at := clock_timestamp();
    begin
      if had_unique_violation then
        vacated_keys := clerk_sync.release_addresses(changes, batch -> 'leaving', applied_at);
      end if;
      result := clerk_sync.apply_changes(changes, parts, batch, widths, applied_at);
      if vacated_keys is not null then
        perform clerk_sync.hand_over_mentorados(vacated_keys, applied_at);
      end if;
      exit;
    exception
      when unique_violation or exclusion_violation then
        if had_unique_violation then
          raise;
        end if;
        had_unique_violation := true;
      when string_data_right_truncation then
        if widths.is_known then
          raise;
        end if;
        widths := clerk_sync.text_widths();
        perform set_config('clerk_neon_sync.has_long_values', 'on', false);
      when query_canceled then
        -- Meant for the batch before this one on the same connection: an error that the caller retries.
        if clock_timestamp() < started_at + interval '200 milliseconds' then
          raise;
        end if;
        raise exception 'the changes took too long: %', sqlerrm using errcode = 'SLOWD';
      when lock_not_available then
        get stacked diagnostics error_context = pg_exception_context;
        -- A trigger of the team raised that code itself.
        if error_context ~ '^[^\n]* at RAISE\n' then
          raise;
        end if;
        if not has_busy then
          foreach busy_place in array clerk_sync.find_locked(changes) loop
            changes[busy_place].kind := 'busy';
            has_busy := true;
          end loop;
          continue when has_busy;
        end if;
        raise exception 'a change needs a row that another transaction has locked: %', sqlerrm using errcode = 'LOCKD';
    end;
  end loop;
  return jsonb_build_object(
    'outcomes', result.outcomes, 'created', result.created, 'changed', result.changed, 'deleted', result.deleted,
    'ms', extract(epoch from clock_timestamp() - started_at) * 1000);
end
$$;
