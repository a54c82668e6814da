import { clerkIdPattern } from "../../domain/clerkId.ts";
import type { Database } from "../connection/database.ts";
import { fromWire, toWire } from "../wire.ts";

/** Counting a million rows takes under a second, comparing them with a million ids up to two. */
const scanDeadlineMs = 60_000;

/**
 * Counts active users with a Clerk id: rows of another provider do not raise the limit on deletions.
 * @param options.createdUntilMs counts only users created at Clerk until then, epoch milliseconds
 */
export async function countActiveUsers(
  database: Database,
  { createdUntilMs }: { createdUntilMs?: number } = {},
): Promise<number> {
  const rows = await database.run(
    (sql) => sql<{ count: number }[]>`
      select count(*)::int as count from public.users
      where deleted_at is null and clerk_id ~ ${clerkIdPattern.source}
        and (clerk_created_at <= to_timestamp(${createdUntilMs ?? null}::float8 / 1000)) is not false`,
    { deadlineMs: scanDeadlineMs },
  );
  return rows[0]?.count ?? 0;
}

/** Watermark of the last finished reconcile, epoch milliseconds; null before the first. */
export async function findWatermarkMs(database: Database): Promise<number | null> {
  const rows = await database.run(
    (sql) => sql<{ watermark: string | null }[]>`
      select cursor ->> 'watermarkMs' as watermark from public.sync_runs
      where kind = 'reconcile' and status = 'done' and not dry_run
      order by started_at desc nulls last, id desc nulls last limit 1`,
    { deadlineMs: scanDeadlineMs },
  );
  const watermark = rows[0]?.watermark;
  return watermark == null ? null : Number(watermark);
}

/** The two ids of a user. */
export interface UserKey {
  readonly userId: number;
  readonly clerkId: string;
}

/** Active users that a full reconcile has not seen at Clerk, in ascending order of `users.id`. */
export function listUnseenUsers(
  database: Database,
  page: { runId: string; afterUserId: number; limit: number },
): Promise<readonly UserKey[]> {
  return listUsers(database, "list_unseen_users", page);
}

/** Active users with a Clerk id, in descending order of `users.id`. */
export async function listNewestActiveUsers(
  database: Database,
  page: { beforeUserId?: number | undefined; except?: string | undefined; limit: number },
): Promise<readonly UserKey[]> {
  return database.run(
    (sql) => sql<UserKey[]>`
      select id::float8 as "userId", clerk_id as "clerkId" from public.users
      where deleted_at is null and clerk_id collate "C" ~ ${clerkIdPattern.source}
        and id < coalesce(${page.beforeUserId ?? null}::bigint, 9223372036854775807)
        and clerk_id is distinct from ${page.except ?? null}
      order by id desc limit ${page.limit}`,
    { deadlineMs: scanDeadlineMs },
  );
}

/** Active users without a mentorado who can be linked now, in ascending order of `users.id`. */
export function listLinkableUsers(
  database: Database,
  page: { afterUserId: number; limit: number },
): Promise<readonly UserKey[]> {
  return listUsers(database, "list_linkable_users", page);
}

async function listUsers(database: Database, name: string, page: object): Promise<readonly UserKey[]> {
  const argument = toWire({ ...page, clerkIdPattern: clerkIdPattern.source });
  return fromWire(await database.callFunction(name, argument, { deadlineMs: scanDeadlineMs })) as UserKey[];
}
