import { sql } from "drizzle-orm";
import {
  bigint,
  bigserial,
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgEnum,
  PgSchema,
  primaryKey,
  serial,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";

/** Enum `role`. */
export const roleEnum = pgEnum("role", ["user", "admin"]);
/** Enum `turma`: classes of the programme. A database may have more labels: `alter type turma add value` needs no deploy. */
export const turmaEnum = pgEnum("turma", ["neon_estrutura", "neon_escala"]);
/** Enum `ativo`: whether a mentorado takes part (`sim`) or not (`nao`). */
export const ativoEnum = pgEnum("ativo", ["sim", "nao"]);

/**
 * Qualifies every table with its schema, because search_path belongs to the database. drizzle's `pgSchema` function
 * rejects `public`; its class does not.
 */
const { table } = new PgSchema("public");

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: "string" });

/**
 * One row per Clerk user, never deleted: a deleted user becomes a tombstone (`deleted_at`) without personal data. In a
 * database that already had this table its columns keep their types, for example `timestamp` without time zone.
 */
export const users = table(
  "users",
  {
    id: serial("id").primaryKey(),
    clerkId: varchar("clerk_id", { length: 64 }).notNull().unique("users_clerk_id_unique"),
    name: text("name"),
    email: varchar("email", { length: 320 }),
    imageUrl: text("image_url"),
    loginMethod: varchar("login_method", { length: 64 }),
    role: roleEnum("role").default("user").notNull(),
    createdAt: instant("created_at").defaultNow().notNull(),
    updatedAt: instant("updated_at").defaultNow().notNull(),
    /** The last sign-in; for a user who never signed in, the creation of the account at Clerk. */
    lastSignedIn: instant("last_signed_in").defaultNow().notNull(),
    emailVerified: boolean("email_verified").default(false).notNull(),
    /** The Clerk user as last stored, without `private_metadata`. */
    rawJson: jsonb("raw_json"),
    clerkCreatedAt: instant("clerk_created_at"),
    clerkUpdatedAt: instant("clerk_updated_at"),
    deletedAt: instant("deleted_at"),
    syncedAt: instant("synced_at"),
    syncSource: varchar("sync_source", { length: 16 }),
    /** The stored version with its tie-breakers, see `toVersionKey`. */
    clerkVersion: text("clerk_version"),
    /** The version that set `role`; older than `clerk_version` if newer versions carry no role. */
    roleVersion: text("role_version"),
    /** Set by an operator's unlink: the user is not linked automatically until an operator resolves the conflict. */
    linkHeldAt: instant("link_held_at"),
  },
  (columns) => [
    // Finds the users waiting for a mentorado that is released.
    index("users_email_key_index")
      .on(sql`clerk_email_key(${columns.email})`)
      .where(sql`${columns.deletedAt} is null and ${columns.emailVerified}`),
    // Covers counting users and listing conflicts, at a twentieth of the table's size.
    index("users_standing_index").on(
      columns.id,
      columns.deletedAt,
      columns.linkHeldAt,
      columns.emailVerified,
      columns.email,
    ),
  ],
);

/** Mentees. The sync updates only `user_id` and `updated_at` of an existing row. */
export const mentorados = table(
  "mentorados",
  {
    id: serial("id").primaryKey(),
    userId: integer("user_id").references(() => users.id, { onDelete: "set null" }),
    nomeCompleto: varchar("nome_completo", { length: 255 }).notNull(),
    email: varchar("email", { length: 320 }),
    fotoUrl: varchar("foto_url", { length: 500 }),
    turma: turmaEnum("turma").notNull(),
    ativo: ativoEnum("ativo").default("sim").notNull(),
    createdAt: instant("created_at").defaultNow().notNull(),
    updatedAt: instant("updated_at").defaultNow().notNull(),
  },
  (columns) => [
    uniqueIndex("mentorados_user_id_unique")
      .on(columns.userId)
      .where(sql`${columns.userId} is not null`),
    index("mentorados_email_key_index").on(sql`clerk_email_key(${columns.email})`),
  ],
);

/** The ledger: one row per `svix-id` of verified deliveries. Retention erases payloads first and deletes rows later. */
export const webhookEvents = table(
  "webhook_events",
  {
    svixId: text("svix_id").primaryKey(),
    type: text("type"),
    clerkId: varchar("clerk_id", { length: 64 }),
    instanceId: text("instance_id"),
    /** The envelope's `timestamp`. */
    occurredAt: instant("occurred_at"),
    receivedAt: instant("received_at").notNull(),
    settledAt: instant("settled_at").notNull(),
    outcome: text("outcome").notNull(),
    /** Set for a `dead` event: why it is not a valid event, or `refused` (by a rule of the database). */
    errorCode: text("error_code"),
    /** Set for a refused event: name of the constraint, trigger, column, sequence or function; else the SQLSTATE. */
    errorDetail: text("error_detail"),
    /** Set for a refused event: the version (`toVersionKey`) that it would have stored; empty for a deletion. */
    refusedVersion: text("refused_version"),
    /** Number of deliveries with this `svix-id`. */
    attempts: integer("attempts").default(1).notNull(),
    /** The exact text received, without what Postgres cannot store; null once erased. */
    payload: text("payload"),
  },
  (columns) => [
    // No second column: the events of one user, or of one time, are few enough to sort, and equal keys are deduplicated.
    index("webhook_events_user_index").on(columns.clerkId),
    index("webhook_events_arrival_index").on(columns.receivedAt.desc()),
    // Nearly all events are `applied`; these are found by the index on arrival.
    index("webhook_events_no_effect_index")
      .on(columns.outcome, columns.receivedAt.desc())
      .where(sql`${columns.outcome} <> 'applied'`),
    // Finds payloads to erase.
    index("webhook_events_payload_index")
      .on(columns.settledAt)
      .where(sql`${columns.payload} is not null`),
    // Read by each batch; nearly always empty.
    index("webhook_events_refused_index")
      .on(columns.clerkId)
      .where(sql`${columns.errorCode} = 'refused'`),
  ],
);

const counted = {
  outcome: text("outcome").notNull(),
  lagBucket: smallint("lag_bucket").notNull(),
  events: bigint("events", { mode: "number" }).notNull(),
  lagMsSum: doublePrecision("lag_ms_sum").notNull().default(0),
};

/**
 * Event figures up to the second that `event_counters_recent` holds. `hour` is `-infinity` for the totals of all time, in
 * which all other rows are counted as well; retention folds old hours into their day (UTC), and old days into their year.
 * `lag_bucket` is round(ln(lag in ms) / ln 1.1), -1 where the lag is unknown or no longer kept, or the row is a total;
 * `lag_ms_sum` adds up the lags of its events, so that their mean is exact.
 */
export const eventCounters = table("event_counters", { hour: instant("hour").notNull(), ...counted }, (columns) => [
  primaryKey({ columns: [columns.hour, columns.outcome, columns.lagBucket] }),
]);

/**
 * Event figures of the last second with deliveries, written in the transaction of the events. The first batch of a later
 * second folds them into `event_counters`, so a row is updated a few hundred times at most: while another program holds a
 * snapshot, Postgres keeps all versions of a row, and each lookup reads them.
 */
export const recentEventCounters = table(
  "event_counters_recent",
  { second: instant("second").notNull(), ...counted },
  (columns) => [primaryKey({ columns: [columns.second, columns.outcome, columns.lagBucket] })],
);

/** Audit trail of links: who linked, released or unlinked what, when, because of which event or operator. Ids only. */
export const mentoradoLinks = table("mentorado_links", {
  id: bigserial("id", { mode: "number" }).primaryKey(),
  mentoradoId: bigint("mentorado_id", { mode: "number" }).notNull(),
  userId: bigint("user_id", { mode: "number" }).notNull(),
  clerkId: varchar("clerk_id", { length: 64 }).notNull(),
  /** `linked`, `created`, `released`, `resolved` or `unlinked`. */
  action: text("action").notNull(),
  /** A sync source, `release` (hand_over_mentorados), or `operator:` with the id of the operator or of the access. */
  actor: text("actor").notNull(),
  svixId: text("svix_id"),
  at: instant("at").defaultNow().notNull(),
});

/** Backfills and reconciles with their progress. At most one of each kind is `running`. */
export const syncRuns = table(
  "sync_runs",
  {
    id: uuid("id").primaryKey(),
    kind: text("kind").notNull(),
    status: text("status").notNull(),
    dryRun: boolean("dry_run").default(false).notNull(),
    /** `person` or `schedule`. */
    startedBy: text("started_by").notNull(),
    /** Full or incremental reconcile. */
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
    /** `RunCursor`: where the run resumes. */
    cursor: jsonb("cursor"),
    cancelRequestedAt: instant("cancel_requested_at"),
    /** Lease: the process that works on the run, and until when no other process may. */
    leaseOwner: text("lease_owner"),
    leaseUntil: instant("lease_until"),
  },
  (columns) => [
    uniqueIndex("sync_runs_open_unique")
      .on(columns.kind)
      .where(sql`${columns.status} = 'running'`),
    index("sync_runs_started_at_index").on(columns.startedAt.desc(), columns.id.desc()),
  ],
);

/** Rows that a running full reconcile has seen at Clerk, by page: the other active users may be gone at Clerk. */
export const syncRunPages = table(
  "sync_run_pages",
  {
    runId: uuid("run_id").notNull(),
    step: integer("step").notNull(),
    /** `users.id` */
    userIds: bigint("user_ids", { mode: "number" }).array().notNull(),
  },
  (columns) => [primaryKey({ columns: [columns.runId, columns.step] })],
);
