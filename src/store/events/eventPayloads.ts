import type { Database } from "../connection/database.ts";

const eraseDeadlineMs = 10_000;

/**
 * Erases payloads of events that were settled longer ago than `olderThanMs`, the oldest first, at most `limit` of
 * them. Rows that somebody else is writing are left for the next time: nobody waits for this, and it for nobody.
 * @returns how many it erased
 */
export async function erasePayloads(
  database: Database,
  { olderThanMs, limit }: { olderThanMs: number; limit: number },
): Promise<number> {
  const rows = await database.run(
    (sql) => sql<{ svixId: string }[]>`
      with old as materialized (
        select svix_id from webhook_events
        where payload is not null and settled_at < now() - make_interval(secs => ${olderThanMs / 1000})
        order by settled_at limit ${limit} for update skip locked
      )
      update webhook_events e set payload = null from old where e.svix_id = old.svix_id
      returning e.svix_id as "svixId"`,
    { deadlineMs: eraseDeadlineMs },
  );
  return rows.length;
}
