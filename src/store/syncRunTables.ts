import { sql } from "drizzle-orm";
import {
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: "string" });

/** Backfills and reconciles, with their progress. At most one of a kind is `running`. */
export const syncRuns = pgTable(
  "sync_runs",
  {
    id: uuid("id").primaryKey(),
    kind: text("kind").notNull(),
    status: text("status").notNull(),
    dryRun: boolean("dry_run").default(false).notNull(),
    /** Who started it: `person` or `schedule`. */
    startedBy: text("started_by").notNull(),
    /** Whether a reconcile compares every user or only what changed since the last. */
    full: boolean("full").default(true).notNull(),
    startedAt: instant("started_at").defaultNow().notNull(),
    finishedAt: instant("finished_at"),
    seen: integer("seen").default(0).notNull(),
    applied: integer("applied").default(0).notNull(),
    unchanged: integer("unchanged").default(0).notNull(),
    stale: integer("stale").default(0).notNull(),
    deleted: integer("deleted").default(0).notNull(),
    driftMissing: integer("drift_missing").default(0).notNull(),
    driftStale: integer("drift_stale").default(0).notNull(),
    driftDeleted: integer("drift_deleted").default(0).notNull(),
    error: text("error"),
    /** Where to go on after a crash; its shape is the run's own. */
    cursor: jsonb("cursor"),
    cancelRequestedAt: instant("cancel_requested_at"),
    /** The process that works on it, and until when nobody else may. */
    leaseOwner: text("lease_owner"),
    leaseUntil: instant("lease_until"),
  },
  (table) => [
    uniqueIndex("sync_runs_open_unique")
      .on(table.kind)
      .where(sql`${table.status} = 'running'`),
    index("sync_runs_started_at_index").on(table.startedAt.desc(), table.id.desc()),
  ],
);

/** Which rows a full reconcile has seen at Clerk, page by page, while it runs: what is left over may be gone there. */
export const syncRunPages = pgTable(
  "sync_run_pages",
  {
    runId: uuid("run_id").notNull(),
    step: integer("step").notNull(),
    /** `users.id` */
    userIds: integer("user_ids").array().notNull(),
  },
  (table) => [primaryKey({ columns: [table.runId, table.step] })],
);
