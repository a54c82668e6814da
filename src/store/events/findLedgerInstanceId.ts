import type { Database } from "../connection/database.ts";

/** Read by the index on `received_at`, so the cost does not depend on the size of the ledger. */
const newestEvents = 1_000;

/**
 * The Clerk instance that most of the newest 1,000 events name; null if none does. Ignored user events are left out: they
 * came from another instance than `CLERK_INSTANCE_ID`.
 */
export async function findLedgerInstanceId(database: Database): Promise<string | null> {
  const rows = await database.run(
    (sql) => sql<{ instanceId: string }[]>`
      select instance_id as "instanceId"
      from (
        select instance_id, received_at, type, outcome from public.webhook_events
        order by received_at desc nulls last, svix_id desc nulls last limit ${newestEvents}
      ) newest
      where instance_id is not null and not (outcome = 'ignored' and coalesce(type, '') like 'user.%')
      group by instance_id order by count(*) desc, max(received_at) desc limit 1`,
  );
  return rows[0]?.instanceId ?? null;
}
