import type { Database } from "../connection/database.ts";

/** More than a year of hourly reconciles; a run takes some 250 bytes, indexes included. */
const runsKeptMax = 10_000;

/**
 * Deletes runs beyond the newest 10,000, with their pages. The newest run of each kind, status and origin stays, because
 * schedule and status need it. Skips locked runs until the next sweep.
 * @returns number of runs deleted
 */
export async function deleteRuns(database: Database, { limit }: { limit: number }): Promise<number> {
  const { count } = await database.run(
    (sql) => sql`
      with oldest_kept as materialized (
        select started_at, id from public.sync_runs
        order by started_at desc nulls last, id desc nulls last offset ${runsKeptMax - 1} limit 1
      ), old as materialized (
        select r.id from public.sync_runs r, oldest_kept k
        where (r.started_at, r.id) < (k.started_at, k.id) and r.status <> 'running' and exists (
          select from public.sync_runs n
          where n.started_at > r.started_at and n.kind = r.kind and n.status = r.status and n.dry_run = r.dry_run
            and n."full" = r."full" and n.started_by = r.started_by
        )
        order by r.started_at limit ${limit} for update of r skip locked
      ), pages as (
        delete from public.sync_run_pages p using old where p.run_id = old.id
      )
      delete from public.sync_runs r using old where r.id = old.id`,
  );
  return count;
}
