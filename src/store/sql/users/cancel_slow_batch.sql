-- Whether the lock is the writer's, see lock_writer. Postgres stores the key in two halves.
create function clerk_sync.is_writer_lock(held pg_locks) returns boolean language sql stable
return held.locktype = 'advisory' and held.objsubid = 1
  and held.database = (select d.oid from pg_database d where d.datname = current_database())
  and (held.classid::bigint << 32 | held.objid::bigint) = 7164381920153;

-- Cancels the batch or page that holds the writer's lock if it already held the lock at the caller's last look and others
-- are waiting. {"seen": the "holder" of the last look or null, "has_waiters": whether changes wait in the caller's
-- process} → {"holder": text or null, "is_cancelled": boolean}
-- holder: the transaction that holds the lock, if it is a batch or page of this version and of a role that the caller
-- belongs to. The cancelled call ends with the error SLOWD; see apply_user_changes.
create function clerk_sync.cancel_slow_batch(argument jsonb) returns jsonb
language sql volatile
as $$
  with holders as materialized (
    select h.pid, h.virtualtransaction as holder,
           coalesce((argument -> 'has_waiters')::boolean, false)
             or exists (select from pg_locks w where not w.granted and clerk_sync.is_writer_lock(w)) as has_waiters
    from pg_locks h join pg_stat_activity a on a.pid = h.pid
    where h.granted and clerk_sync.is_writer_lock(h) and a.state = 'active' and pg_has_role(a.usesysid, 'usage')
      and (strpos(a.query, 'clerk_sync.apply_user_changes(') > 0 or strpos(a.query, 'clerk_sync.apply_and_report(') > 0
           or strpos(a.query, 'clerk_sync.apply_run_page(') > 0)
  )
  select jsonb_build_object(
    'holder', (select holder from holders),
    -- `case`, because Postgres may evaluate the parts of an `and` in any order.
    'is_cancelled', coalesce(
      (select case when holder = argument ->> 'seen' and has_waiters then pg_cancel_backend(pid) end from holders), false))
$$;
