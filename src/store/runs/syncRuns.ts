import { and, desc, eq, sql as drizzleSql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import type { RunKind, RunStatus, SyncRun } from "../../domain/syncRun.ts";
import type { Database } from "../connection/database.ts";
import { toIsoTime } from "../toIsoTime.ts";
import { syncRuns } from "../schema.ts";

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

type SyncRunRecord = typeof syncRuns.$inferSelect;

/** Keyset cursor: the last run of the page before. */
export interface RunPageKey {
  readonly startedAt: string;
  readonly runId: string;
}

/** The run, or null; also for a text that is not a UUID. */
export async function findRun(database: Database, runId: string): Promise<SyncRun | null> {
  if (!uuidPattern.test(runId)) return null;
  const [row] = await database.run((sql) => drizzle(sql).select().from(syncRuns).where(eq(syncRuns.id, runId)));
  return row ? toSyncRun(row) : null;
}

/** One page of runs, newest first. */
export async function listRuns(
  database: Database,
  { limit, after }: { limit: number; after?: RunPageKey | undefined },
): Promise<SyncRun[]> {
  const rows = await database.run((sql) =>
    drizzle(sql)
      .select()
      .from(syncRuns)
      .where(
        after &&
          // The cursor has milliseconds, the column microseconds.
          drizzleSql`(date_trunc('milliseconds', ${syncRuns.startedAt}), ${syncRuns.id}) < (${after.startedAt}::timestamptz, ${after.runId}::uuid)`,
      )
      .orderBy(newestFirst, desc(syncRuns.id))
      .limit(limit),
  );
  return rows.map(toSyncRun);
}

/** The newest reconcile that is `done`, dry run or not; null before the first. */
export async function findLastReconcile(database: Database): Promise<SyncRun | null> {
  const [row] = await database.run((sql) =>
    drizzle(sql)
      .select()
      .from(syncRuns)
      .where(and(eq(syncRuns.kind, "reconcile"), eq(syncRuns.status, "done")))
      .orderBy(newestFirst)
      .limit(1),
  );
  return row ? toSyncRun(row) : null;
}

// The order of the index.
const newestFirst = desc(syncRuns.startedAt);

function toSyncRun(row: SyncRunRecord): SyncRun {
  return {
    runId: row.id,
    kind: row.kind as RunKind,
    status: row.status as RunStatus,
    dryRun: row.dryRun,
    startedAt: toIsoTime(row.startedAt),
    finishedAt: row.finishedAt === null ? null : toIsoTime(row.finishedAt),
    seen: row.seen,
    applied: row.applied,
    unchanged: row.unchanged,
    stale: row.stale,
    deleted: row.deleted,
    drift: row.driftMissing + row.driftStale + row.driftDeleted,
    driftByKind: { missing: row.driftMissing, stale: row.driftStale, deleted: row.driftDeleted },
    error: row.error,
  };
}
