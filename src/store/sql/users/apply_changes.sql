-- The changes of a batch, but for those that are `busy`. Called by apply_batch, under its lock and settings.
create function clerk_sync.apply_changes(
  changes clerk_sync.change[], parts text[], default_turma text, applied_at timestamptz,
  out outcomes jsonb, out created bigint, out changed bigint, out deleted bigint
)
language plpgsql
as $$
declare
  widths constant record := clerk_sync.text_widths();
  svix_ids text[];
  has_deletions boolean;
  -- Deliveries settled before: outcome by svix_id.
  settled jsonb := '{}';
  -- Whether the ledger may hold an event of this batch that is to be settled anew.
  reopens boolean;
  -- Whether the ledger holds an event that a rule of the database refused; nearly always it holds none.
  has_refused boolean;
  -- Outcomes of what is not settled, by clerk_id.
  verdicts jsonb := '{}';
  deletions record;
  upserts record;
  linked_clerk_ids text[];
begin
  select array_agg(c.svix_id) filter (where c.svix_id is not null and c.replay is not true),
         coalesce(bool_or(c.kind = 'delete'), false), coalesce(bool_or(c.replay), false),
         exists (select from public.webhook_events where error_code = 'refused')
    into svix_ids, has_deletions, reopens, has_refused
    from unnest(changes) c where c.kind <> 'busy';

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
    linked_clerk_ids := clerk_sync.link_mentorados(changes, settled, default_turma, widths.nome_completo,
                                                   widths.mentorado_email, widths.foto_url, applied_at);
    if upserts.left_keys is not null then
      perform clerk_sync.hand_over_mentorados(upserts.left_keys, applied_at);
    end if;
  end if;
  outcomes := clerk_sync.settle_deliveries(changes, parts, settled, verdicts || upserts.verdicts, linked_clerk_ids,
                                           applied_at, reopens);
  if has_refused then
    perform clerk_sync.settle_refused(changes, applied_at);
  end if;
end
$$;
