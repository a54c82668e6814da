-- Applies one batch of user changes: the only writer of `users`, of the ledger and of automatic links.
--
-- batch: {"default_turma": text or null, "separator": text, "changes": [change, …]}, each change with the fields of the
-- type `change`. texts: two for each change, with the separator between them: the Clerk user as JSON and the ledger's
-- payload, empty where there is none. They are long, and JSON inside JSON is expensive to read.
-- Within a batch each clerk_id and each svix_id stands once at most (the caller sees to it).
-- outcomes: a JSON array with the outcome of each change, in the order given. created, changed: how many rows of users
-- were inserted, and how many got other content. deleted: how many became tombstones.
--
-- The batch as a whole equals a serial order of its changes: deletions first, then the rest as they stand; addresses that
-- were left are looked at after the deletions and again at the end.
create function clerk_sync.apply_batch(
  batch jsonb, texts text, out outcomes jsonb, out created bigint, out changed bigint, out deleted bigint
)
language plpgsql
-- Every join below is "a few rows against an index". A plan made while a table was small would scan it later, when
-- it is not; and planning anew at each call costs more than executing.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
-- Below the caller's own deadline, so that a waiting call gives its connection back by itself.
set lock_timeout = '3s'
as $$
declare
  changes clerk_sync.change[];
  parts constant text[] := string_to_array(texts, batch ->> 'separator');
  applied_at constant timestamptz := clerk_sync.lock_writer();
  widths record;
  svix_ids text[];
  has_deletions boolean;
  -- Deliveries settled before: outcome by svix_id.
  settled jsonb := '{}';
  -- Whether the ledger may hold an event of this batch that is to be settled anew.
  reopens boolean;
  -- Outcomes of what is not settled, by clerk_id.
  verdicts jsonb := '{}';
  deletions record;
  upserts record;
  linked_clerk_ids text[];
begin
  changes := array(select c from jsonb_populate_recordset(null::clerk_sync.change, batch -> 'changes') c);
  widths := clerk_sync.text_widths();
  select array_agg(c.svix_id) filter (where c.svix_id is not null and c.replay is not true),
         coalesce(bool_or(c.kind = 'delete'), false), coalesce(bool_or(c.replay), false)
    into svix_ids, has_deletions, reopens
    from unnest(changes) c;

  if svix_ids is not null then
    with again as (
      update public.webhook_events set attempts = attempts + 1 where svix_id = any (svix_ids)
      returning svix_id, outcome, outcome = 'dead' and error_code in ('refused', 'apply_failed') as is_refused
    )
    -- What a rule of the database refused may be right by now.
    select coalesce(jsonb_object_agg(svix_id, outcome) filter (where not is_refused), '{}'),
           reopens or coalesce(bool_or(is_refused), false)
      into settled, reopens from again;
  end if;

  deleted := 0;
  if has_deletions then
    deletions := clerk_sync.apply_deletions(changes, settled, applied_at);
    deleted := deletions.deleted;
    verdicts := deletions.verdicts;
  end if;
  upserts := clerk_sync.apply_upserts(changes, parts, settled, widths.name, widths.email, widths.image_url,
                                      widths.login_method, applied_at);
  created := upserts.created;
  changed := upserts.changed;
  if upserts.verdicts <> '{}' then
    linked_clerk_ids := clerk_sync.link_mentorados(changes, settled, batch ->> 'default_turma', widths.nome_completo,
                                                   widths.mentorado_email, widths.foto_url, applied_at);
    if upserts.left_keys is not null then
      perform clerk_sync.hand_over_mentorados(upserts.left_keys, applied_at);
    end if;
  end if;
  outcomes := clerk_sync.settle_deliveries(changes, parts, settled, verdicts || upserts.verdicts, linked_clerk_ids,
                                           applied_at, reopens);
  perform clerk_sync.settle_refused(changes, applied_at);
end
$$;

-- The same for callers that want the outcomes alone.
create function clerk_sync.apply_user_changes(batch jsonb, texts text) returns jsonb
language sql volatile
return (clerk_sync.apply_batch(batch, texts)).outcomes;
