import type { Database } from "./database.ts";

/** Counting a million rows takes a fraction of a second, comparing them with a million ids a second or two. */
const scanDeadlineMs = 60_000;

export async function countActiveUsers(database: Database): Promise<number> {
  const rows = await database.run(
    (sql) => sql<{ count: number }[]>`select count(*)::int as count from users where deleted_at is null`,
    { deadlineMs: scanDeadlineMs },
  );
  return rows[0]?.count ?? 0;
}

/** Where a reconcile that looks only at what changed may stop, epoch milliseconds; null before the first full one. */
export async function findWatermarkMs(database: Database): Promise<number | null> {
  const rows = await database.run(
    (sql) => sql<{ watermark: string | null }[]>`
      select cursor ->> 'watermarkMs' as watermark from sync_runs
      where kind = 'reconcile' and status = 'done' and not dry_run
      order by started_at desc nulls last, id desc nulls last limit 1`,
    { deadlineMs: scanDeadlineMs },
  );
  const watermark = rows[0]?.watermark;
  return watermark == null ? null : Number(watermark);
}

/** Active users that a full reconcile did not see at Clerk, by ascending row id. Ids that Clerk cannot know are left out. */
export async function listUnseenUsers(
  database: Database,
  page: { runId: string; afterUserId: number; limit: number },
): Promise<{ userId: number; clerkId: string }[]> {
  return database.run(
    (sql) => sql<{ userId: number; clerkId: string }[]>`
      with seen as materialized (
        select unnest(user_ids) as id from sync_run_pages where run_id = ${page.runId}
      )
      select u.id as "userId", u.clerk_id as "clerkId"
      from users u
      where u.deleted_at is null and u.id > ${page.afterUserId} and u.clerk_id ~ '^user_[A-Za-z0-9]{1,60}$'
        and not exists (select from seen s where s.id = u.id)
      order by u.id limit ${page.limit}`,
    { deadlineMs: scanDeadlineMs },
  );
}

/** Active users without a profile who could have one by now, by ascending row id. */
export async function listLinkableUsers(
  database: Database,
  page: { afterUserId: number; limit: number },
): Promise<{ userId: number; clerkId: string }[]> {
  return database.run(
    (sql) => sql<{ userId: number; clerkId: string }[]>`
      select u.id as "userId", u.clerk_id as "clerkId"
      from users u
        left join lateral (
          select count(*) as profiles, bool_or(m.user_id is not null) as claimed
          from mentorados m where clerk_email_key(m.email) = clerk_email_key(u.email)
        ) found on true
      where u.deleted_at is null and u.email_verified and u.link_held_at is null and u.id > ${page.afterUserId}
        and clerk_email_key(u.email) is not null and u.clerk_id ~ '^user_[A-Za-z0-9]{1,60}$'
        and not exists (select from mentorados m where m.user_id = u.id)
        and (found.profiles = 0 or found.profiles = 1 and not found.claimed)
      order by u.id limit ${page.limit}`,
    { deadlineMs: scanDeadlineMs },
  );
}
