import { and, eq, sql as drizzleSql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import type { EventSummary } from "../../domain/userStatus.ts";
import type { Database } from "../connection/database.ts";
import { toIsoTime } from "../toIsoTime.ts";
import { webhookEvents } from "../schema.ts";

/** An event with its payload; null once the payload is erased. */
export type EventWithPayload = EventSummary & { readonly payload: string | null };

/** Keyset cursor: the last event of the page before. */
export interface EventCursor {
  readonly receivedAt: string;
  readonly svixId: string;
}

const { svixId, type, clerkId, outcome, errorCode, errorDetail, occurredAt, receivedAt, settledAt, attempts } =
  webhookEvents;
const summaryColumns = {
  svixId,
  type,
  clerkId,
  outcome,
  errorCode,
  errorDetail,
  occurredAt,
  receivedAt,
  settledAt,
  attempts,
};
// The order of the index.
const newestFirst = [drizzleSql`${receivedAt} desc nulls last`, drizzleSql`${svixId} desc nulls last`];

/** One page of the ledger, newest first. */
export async function listEvents(
  database: Database,
  filter: {
    outcome?: EventSummary["outcome"] | undefined;
    clerkId?: string | undefined;
    after?: EventCursor | undefined;
    limit: number;
  },
): Promise<EventSummary[]> {
  const { after } = filter;
  const rows = await database.run((sql) =>
    drizzle(sql)
      .select(summaryColumns)
      .from(webhookEvents)
      .where(
        and(
          filter.outcome === undefined ? undefined : eq(outcome, filter.outcome),
          filter.clerkId === undefined ? undefined : eq(clerkId, filter.clerkId),
          after && drizzleSql`(${receivedAt}, ${svixId}) < (${after.receivedAt}::timestamptz, ${after.svixId})`,
        ),
      )
      .orderBy(...newestFirst)
      .limit(filter.limit),
  );
  return rows.map(toSummary);
}

/** The event with this svix-id, or null. */
export async function findEvent(database: Database, wantedId: string): Promise<EventWithPayload | null> {
  // Postgres rejects U+0000 in a parameter, and no header can contain it.
  if (wantedId.includes("\0")) return null;
  const [row] = await database.run((sql) =>
    drizzle(sql)
      .select({ ...summaryColumns, payload: webhookEvents.payload })
      .from(webhookEvents)
      .where(eq(svixId, wantedId)),
  );
  return row ? { ...toSummary(row), payload: row.payload } : null;
}

type SummaryRow = Omit<typeof webhookEvents.$inferSelect, "instanceId" | "payload" | "refusedVersion">;

function toSummary(row: SummaryRow): EventSummary {
  return {
    svixId: row.svixId,
    type: row.type,
    clerkId: row.clerkId,
    outcome: row.outcome as EventSummary["outcome"],
    errorCode: row.errorCode,
    errorDetail: row.errorDetail,
    occurredAt: row.occurredAt === null ? null : toIsoTime(row.occurredAt),
    receivedAt: toIsoTime(row.receivedAt),
    settledAt: toIsoTime(row.settledAt),
    attempts: row.attempts,
  };
}
