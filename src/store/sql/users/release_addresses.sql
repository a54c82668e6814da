-- Called by apply_user_changes, under its lock and settings, after a unique constraint on the address has refused a batch.
-- Sets the address to null for each user with evidence that the user has left it: another address in a version at or after
-- the stored one, in `changes`, in `leaving` (an array of changes) or in the user's newest refused event. Otherwise two
-- users who exchange addresses would block each other for ever. Returns the removed addresses (clerk_email_key) that were
-- verified.
create function clerk_sync.release_addresses(
  changes clerk_sync.change[], leaving jsonb, applied_at timestamptz, out vacated_keys text[]
)
language plpgsql
as $$
begin
  with users_who_left as materialized (
    select u.id, u.email_verified, public.clerk_email_key(u.email) as email_key
    from (select * from unnest(changes)
          union all select (l::clerk_sync.change).* from jsonb_array_elements_text(leaving) l) c
      join public.users u on u.clerk_id = c.clerk_id
    where c.kind = 'upsert' and u.deleted_at is null and (u.clerk_version is null or c.version >= u.clerk_version)
      and u.email::text collate "C" is distinct from c.email collate "C"
      -- A delivery settled before is no evidence.
      and not exists (select from public.webhook_events e
                      where e.svix_id = c.svix_id and e.error_code is distinct from 'refused')
    union
    select u.id, u.email_verified, public.clerk_email_key(u.email)
    from (
      select distinct on (clerk_id) clerk_id, refused_version, payload
      from public.webhook_events where error_code = 'refused'
      order by clerk_id, refused_version = '' desc, refused_version desc
    ) e
      join public.users u on u.clerk_id = e.clerk_id
    where u.deleted_at is null
      and (e.refused_version = '' or u.clerk_version is null or e.refused_version > u.clerk_version)
      and not clerk_sync.may_keep_address(e.payload, u.email)
  ), released as (
    update public.users u
    set email = null, email_verified = false, updated_at = clerk_sync.to_column(applied_at, u.updated_at)
    from users_who_left k
    where u.id = k.id
      and exists (select from unnest(changes) c
                  where c.kind = 'upsert' and c.clerk_id <> u.clerk_id
                    and clerk_sync.is_same_key(public.clerk_email_key(c.email), k.email_key))
    returning case when k.email_verified then k.email_key end as vacated_key
  )
  select array_agg(vacated_key) filter (where vacated_key is not null) into vacated_keys from released;
end
$$;

-- Whether the user of an event may still have this address: false only if the payload is stored and does not list it.
create function clerk_sync.may_keep_address(payload text, address text) returns boolean
language plpgsql stable
as $$
declare
  addresses json;
begin
  addresses := payload::json #> '{data,email_addresses}';
  return payload is null or exists (
    select from json_array_elements(case json_typeof(addresses) when 'array' then addresses else '[]' end) as a(value)
    where clerk_sync.is_same_key(public.clerk_email_key(a.value ->> 'email_address'), public.clerk_email_key(address)));
exception when data_exception then
  -- Postgres cannot parse a text with an escaped NUL or a lone surrogate: no evidence.
  return true;
end
$$;
