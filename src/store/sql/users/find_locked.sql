-- Returns the places in the batch of the changes that need a row locked by another transaction; does not wait for locks. It
-- may report a change that does not need its row; that change is then retried as well. Called by apply_user_changes after a
-- lock timeout.
create function clerk_sync.find_locked(changes clerk_sync.change[]) returns integer[]
language plpgsql
as $$
begin
  -- A locked table blocks every change: error 55P03.
  lock table public.users, public.mentorados, public.webhook_events, public.mentorado_links, public.event_counters
    in row exclusive mode;
  return (
    with changes_with_rows as materialized (
      select c.ordinality as place, c.kind, c.clerk_id, c.svix_id, u.id as user_id, m.id as mentorado_id,
             -- wanted_key: the address whose mentorado this user may get.
             -- vacated_key, released_key: addresses whose mentorado another user may get after this change.
             case when c.kind = 'upsert' and c.email_verified and m.id is null
                then public.clerk_email_key(c.email) end as wanted_key,
             case when u.email_verified
                    and (c.kind = 'delete' or not c.email_verified
                         or public.clerk_email_key(u.email) is distinct from public.clerk_email_key(c.email))
                then public.clerk_email_key(u.email) end as vacated_key,
             case when c.kind = 'delete' then public.clerk_email_key(m.email) end as released_key
      from unnest(changes) with ordinality as c
        left join public.users u on u.clerk_id = c.clerk_id and c.kind in ('upsert', 'delete')
        left join public.mentorados m on m.user_id = u.id
    ), freed_keys as materialized (
      select place, vacated_key as email_key from changes_with_rows where vacated_key is not null
      union select place, released_key from changes_with_rows where released_key is not null
    ), needed_users as materialized (
      select place, user_id as id from changes_with_rows where user_id is not null
      union
      select f.place, u.id
      from freed_keys f join public.users u on clerk_sync.is_same_key(public.clerk_email_key(u.email), f.email_key)
    ), needed_mentorados as materialized (
      select place, mentorado_id as id from changes_with_rows where kind = 'delete' and mentorado_id is not null
      union
      select k.place, m.id
      from (select * from freed_keys
            union select place, wanted_key from changes_with_rows where wanted_key is not null) k
        join public.mentorados m on clerk_sync.is_same_key(public.clerk_email_key(m.email), k.email_key)
    ), needed_events as materialized (
      select c.place, e.svix_id from changes_with_rows c join public.webhook_events e on e.svix_id = c.svix_id
      union
      select c.place, e.svix_id from changes_with_rows c join public.webhook_events e on e.clerk_id = c.clerk_id
      where c.kind = 'delete' and e.payload is not null or c.kind = 'upsert' and e.error_code = 'refused'
    ), lockable_users as materialized (
      select id from public.users where id in (select id from needed_users) for no key update skip locked
    ), lockable_mentorados as materialized (
      select id from public.mentorados where id in (select id from needed_mentorados) for no key update skip locked
    ), lockable_events as materialized (
      select svix_id from public.webhook_events where svix_id in (select svix_id from needed_events)
      for no key update skip locked
    ), locked as (
      select place from needed_users where id not in (select id from lockable_users)
      union select place from needed_mentorados where id not in (select id from lockable_mentorados)
      union select place from needed_events where svix_id not in (select svix_id from lockable_events)
    )
    select coalesce(array_agg(place::integer), '{}') from locked
  );
end
$$;
