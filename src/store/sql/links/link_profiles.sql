-- Each of the users who has no profile gets the one unclaimed profile with their proved address, or, if nobody has that
-- address, a new one. The row as it now is decides, not the change. Answers who got one, by clerk_id.
-- origins: [source, svix_id] by clerk_id, for the trail. Called by apply_user_changes, under its lock and settings.
create or replace function link_profiles(
  touched text[], origins jsonb, default_turma text, moment timestamptz, out linked text[]
)
language plpgsql
as $$
declare
  -- As in clerk_email_key.
  white_space constant text := E' \t\n\u000b\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff';
begin
  with seekers as materialized (
    select u.id, u.clerk_id, u.name, u.email, u.image_url, clerk_email_key(u.email) as email_key,
           u.raw_json -> 'public_metadata' ->> 'turma' as turma, t.place
    from unnest(touched) with ordinality as t(clerk_id, place)
      -- `offset 0` here, and a scalar subquery below, keep these lookups what they are. Without statistics, as while
      -- a backfill fills empty tables, the planner would rather read a whole partial index, for each user.
      cross join lateral (select * from users u where u.clerk_id = t.clerk_id offset 0) u
    where u.deleted_at is null and u.email_verified and u.link_held_at is null
      and clerk_email_key(u.email) is not null
      and (select m.id from mentorados m where m.user_id = u.id) is null
  ), candidates as materialized (
    select s.*, row_number() over (partition by s.email_key order by s.place) as turn,
           found.profiles, found.mentorado_id, found.claimed
    from seekers s
      cross join lateral (
        select count(*) as profiles, min(m.id) as mentorado_id, bool_or(m.user_id is not null) as claimed
        from mentorados m where clerk_email_key(m.email) = s.email_key
      ) found
  ), linked as (
    update mentorados m set user_id = c.id, updated_at = moment
    from candidates c
    where m.id = c.mentorado_id and c.turn = 1 and c.profiles = 1 and not c.claimed
    returning m.id as mentorado_id, c.id as user_id, c.clerk_id
  ), created as (
    insert into mentorados (user_id, nome_completo, email, foto_url, turma, created_at, updated_at)
    select id,
           left(coalesce(nullif(btrim(name, white_space), ''),
                         nullif(btrim(regexp_replace(email, '@[^@]*$', ''), white_space), ''), email), 255),
           email,
           case when length(image_url) <= 500 then image_url end,
           -- A label unknown to the enum is not the event's fault unless it is the configured one.
           case when turma = any (enum_range(null::turma)::text[]) then turma
                else default_turma end::turma,
           moment, moment
    from candidates where turn = 1 and profiles = 0
    returning id as mentorado_id, user_id
  ), changed as (
    select mentorado_id, user_id, clerk_id, 'linked' as action from linked
    union all
    select n.mentorado_id, n.user_id, u.clerk_id, 'created'
    from created n cross join lateral (select u.clerk_id from users u where u.id = n.user_id offset 0) u
  ), trail as (
    insert into mentorado_links (mentorado_id, user_id, clerk_id, action, actor, svix_id, at)
    select mentorado_id, user_id, clerk_id, action, origins -> clerk_id ->> 0, origins -> clerk_id ->> 1, moment
    from changed
  )
  select array_agg(clerk_id) into linked from changed;
end
$$;
