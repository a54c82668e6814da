import type { Database } from "../connection/database.ts";
import { databaseNow } from "../migration/sqlFunctions.ts";

const batchDeadlineMs = 10_000;

/** Age by `settled_at`, and the maximum number of rows, oldest first. */
export interface OldEvents {
  readonly olderThanMs: number;
  readonly limit: number;
}

/**
 * Erases payloads of old events. Skips locked rows until the next sweep.
 * @returns number of payloads erased
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
 * Deletes rows of old events, except dead ones; counters stay. Skips locked rows until the next sweep. An event is
 * received before it is settled, so the index on `received_at` finds them.
 * @returns number of rows deleted
 */
export async function deleteEvents(database: Database, { olderThanMs, limit }: OldEvents): Promise<number> {
  const { count } = await database.run(
    (sql) => sql`
      with old as materialized (
        select svix_id from public.webhook_events
        where received_at < ${databaseNow(sql)} - make_interval(secs => ${olderThanMs / 1000})
          and settled_at < ${databaseNow(sql)} - make_interval(secs => ${olderThanMs / 1000}) and outcome <> 'dead'
        -- Matches webhook_events_arrival_index, scanned backwards.
        order by received_at nulls first limit ${limit} for update skip locked
      )
      delete from public.webhook_events e using old where e.svix_id = old.svix_id`,
    { deadlineMs: batchDeadlineMs },
  );
  return count;
}
