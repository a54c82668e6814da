import type { Database } from "../connection/database.ts";
import { databaseNow } from "../migration/sqlFunctions.ts";

const batchDeadlineMs = 10_000;

/** Which events, by when they were settled, and how many of them at most, the oldest first. */
export interface OldEvents {
  readonly olderThanMs: number;
  readonly limit: number;
}

/**
 * Erases payloads of old events. Rows that another transaction has locked are left for the next time.
 * @returns how many it erased
 */
export async function erasePayloads(database: Database, { olderThanMs, limit }: OldEvents): Promise<number> {
  const { count } = await database.run(
    (sql) => sql`
      with old as materialized (
        select svix_id from public.webhook_events
        where payload is not null and settled_at < ${databaseNow(sql)} - make_interval(secs => ${olderThanMs / 1000})
        order by settled_at limit ${limit} for update skip locked
      )
      update public.webhook_events e set payload = null from old where e.svix_id = old.svix_id`,
    { deadlineMs: batchDeadlineMs },
  );
  return count;
}

/**
 * Deletes the rows of old events; dead ones stay, and so do the counters. Rows that another transaction has locked are
 * left for the next time. An event is received before it is settled, so that the index on `received_at` finds them.
 * @returns how many it deleted
 */
export async function deleteEvents(database: Database, { olderThanMs, limit }: OldEvents): Promise<number> {
  const { count } = await database.run(
    (sql) => sql`
      with old as materialized (
        select svix_id from public.webhook_events
        where received_at < ${databaseNow(sql)} - make_interval(secs => ${olderThanMs / 1000})
          and settled_at < ${databaseNow(sql)} - make_interval(secs => ${olderThanMs / 1000}) and outcome <> 'dead'
        -- As the index has it, read backwards.
        order by received_at nulls first limit ${limit} for update skip locked
      )
      delete from public.webhook_events e using old where e.svix_id = old.svix_id`,
    { deadlineMs: batchDeadlineMs },
  );
  return count;
}
