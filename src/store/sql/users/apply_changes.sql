-- Applies the changes of a batch, except `busy` ones. Called by apply_user_changes, under its lock and settings.
create function clerk_sync.apply_changes(
  changes clerk_sync.change[], parts text[], batch jsonb, widths clerk_sync.widths, applied_at timestamptz,
  out outcomes jsonb, out created bigint, out changed bigint, out deleted bigint
)
language plpgsql
as $$
declare
  -- Outcomes of deliveries settled before, by svix_id.
  settled_outcomes jsonb;
  -- Whether the ledger may contain an event of this batch that has to be reprocessed.
  may_reprocess boolean;
  -- Whether the ledger contains refused events, which is rare.
  has_refused boolean;
  -- Outcomes of the other changes, by clerk_id.
  user_outcomes jsonb := '{}';
  deletions record;
  upserts record;
  linked_clerk_ids text[];
begin
  with repeated as (
    -- No join: a plan made while the ledger was empty and analyzed would read all of it.
    update public.webhook_events e set attempts = e.attempts + 1
    where e.svix_id = any (array(
      select c.svix_id from unnest(changes) c where c.replay is not true and c.kind <> 'busy'))
    returning e.svix_id, e.outcome, e.outcome = 'dead' and e.error_code in ('refused', 'apply_failed') as is_refused
  )
  -- A refused event is reprocessed, because the rule may accept it now. Version 0.1 recorded it as `apply_failed`.
  select coalesce(jsonb_object_agg(svix_id, outcome) filter (where not is_refused), '{}'),
         bool_or(is_refused) is true or (batch -> 'has_replays')::boolean,
         exists (select from public.webhook_events where error_code = 'refused')
    into settled_outcomes, may_reprocess, has_refused
    from repeated;

  created := 0;
  changed := 0;
  deleted := 0;
  if (batch -> 'has_deletions')::boolean then
    deletions := clerk_sync.apply_deletions(changes, settled_outcomes, applied_at);
    deleted := deletions.deleted;
    user_outcomes := deletions.user_outcomes;
  end if;
  -- Postgres refuses apply_upserts as a whole if a column has another type; the refused event is recorded all the same.
  if (batch -> 'has_upserts')::boolean then
    upserts := clerk_sync.apply_upserts(changes, parts, settled_outcomes, widths, applied_at);
    user_outcomes := user_outcomes || upserts.user_outcomes;
    created := upserts.created;
    changed := upserts.changed;
    if upserts.unlinked_clerk_ids is not null then
      linked_clerk_ids :=
        clerk_sync.link_mentorados(changes, settled_outcomes, upserts.unlinked_clerk_ids, batch ->> 'default_turma', widths,
                                   applied_at);
    end if;
    if upserts.vacated_keys is not null then
      perform clerk_sync.hand_over_mentorados(upserts.vacated_keys, applied_at);
    end if;
  end if;
  outcomes := clerk_sync.settle_deliveries(changes, parts, settled_outcomes, user_outcomes,
                                           linked_clerk_ids, applied_at, may_reprocess);
  if has_refused then
    perform clerk_sync.make_refused_stale(changes, applied_at);
  end if;
end
$$;
