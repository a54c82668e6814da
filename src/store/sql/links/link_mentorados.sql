-- Links each upserted user without a mentorado to the one unclaimed mentorado with the user's verified address, or creates
-- one if no mentorado has that address. Uses the stored row, not the change. Returns the clerk_ids of the linked users.
-- unlinked_clerk_ids: the upserted users without a mentorado; others are not read again. widths: see text_widths. Called by
-- apply_changes, under the lock and settings of apply_user_changes.
create function clerk_sync.link_mentorados(
  changes clerk_sync.change[], settled_outcomes jsonb, unlinked_clerk_ids text[], default_turma text,
  widths clerk_sync.widths, applied_at timestamptz, out linked_clerk_ids text[]
)
language plpgsql
as $$
declare
  -- For the types of its columns, see to_column.
  as_mentorado constant public.mentorados := null;
  turma_labels constant text[] := enum_range(null::public.turma)::text[];
  turma_by_default constant text := clerk_sync.find_default_turma(default_turma, turma_labels);
  expected_rows bigint;
  written_rows bigint;
begin
  with unlinked_users as (
    -- The first of several users with one address.
    select distinct on (public.clerk_email_key(u.email) collate "C")
           u.id, u.clerk_id, u.name::text collate "C" as name, u.email::text collate "C" as email,
           u.image_url::text as image_url, public.clerk_email_key(u.email) as email_key,
           u.raw_json -> 'public_metadata' ->> 'turma' as turma, c.source, c.svix_id
    from unnest(changes) with ordinality as c
      -- `offset 0` here, and a scalar subquery below, force index lookups. Without statistics, as while a backfill fills
      -- empty tables, the planner would read a whole partial index for each user.
      cross join lateral (select * from public.users u where u.clerk_id = c.clerk_id offset 0) u
    where c.kind = 'upsert' and not settled_outcomes ? coalesce(c.svix_id, '')
      and c.clerk_id = any (unlinked_clerk_ids)
      and clerk_sync.may_be_linked(u.deleted_at is not null, u.email_verified, u.link_held_at is not null)
      and public.clerk_email_key(u.email) is not null
      and (select m.id from public.mentorados m where m.user_id = u.id) is null
    order by public.clerk_email_key(u.email) collate "C", c.ordinality
  ), candidates as materialized (
    select s.*, found.mentorado_id, t.new_turma
    from unlinked_users s
      -- An unknown label counts as none.
      cross join lateral (
        select case when s.turma = any (turma_labels) then s.turma else turma_by_default end as new_turma
      ) t
      -- A user is a candidate if exactly one mentorado has the address and it is unclaimed, or if none has it and a class
      -- for a new one is known. Without a class the user waits until DEFAULT_TURMA is valid.
      cross join lateral (
        select min(m.id) as mentorado_id
        from public.mentorados m where clerk_sync.is_same_key(public.clerk_email_key(m.email), s.email_key)
        having count(*) = 1 and count(m.user_id) = 0 or count(*) = 0 and t.new_turma is not null
      ) found
  ), linked as (
    update public.mentorados m set user_id = c.id, updated_at = clerk_sync.to_column(applied_at, m.updated_at)
    from candidates c
    -- `any`: with `=`, a plan cached while the table was empty would read the whole index.
    where m.id = any (array[c.mentorado_id])
    returning m.id as mentorado_id, c.id as user_id
  ), created as (
    insert into public.mentorados (user_id, nome_completo, email, foto_url, turma, created_at, updated_at)
    select id,
           left(coalesce(nullif(clerk_sync.trim_text(name), ''),
                         nullif(clerk_sync.trim_text(regexp_replace(email, '@[^@]*$', '')), ''), email),
                least(255, widths.nome_completo)),
           case when length(email) > widths.mentorado_email then null else email end,
           case when length(image_url) <= least(500, widths.foto_url) then image_url end,
           new_turma::public.turma,
           clerk_sync.to_column(applied_at, as_mentorado.created_at),
           clerk_sync.to_column(applied_at, as_mentorado.updated_at)
    from candidates where mentorado_id is null
    returning id as mentorado_id, user_id
  ), changed as (
    select mentorado_id, user_id, 'linked' as action from linked
    union all
    select mentorado_id, user_id, 'created' from created
  ), audit as (
    insert into public.mentorado_links (mentorado_id, user_id, clerk_id, action, actor, svix_id, at)
    select n.mentorado_id, n.user_id, s.clerk_id, n.action, s.source, s.svix_id, applied_at
    from changed n cross join lateral (select * from candidates where id = n.user_id) s
    returning clerk_id
  )
  select array_agg(clerk_id), count(*), (select count(*) from candidates) into linked_clerk_ids, written_rows, expected_rows
    from audit;
  if written_rows <> expected_rows then
    perform clerk_sync.fail_unwritten('public.mentorados', expected_rows - written_rows);
  end if;
end
$$;
