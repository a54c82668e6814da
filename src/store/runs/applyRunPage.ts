import type { RunCursor } from "../../domain/runCursor.ts";
import { toBatch, type BatchItem } from "../users/userBatch.ts";
import type { Database } from "../connection/database.ts";
import { leaseMs } from "./runLease.ts";

/** A page of 500 takes some 30 ms of the database's time; waiting for its turn takes 3 s at most. */
const pageDeadlineMs = 8_000;

/**
 * Applies a page and saves in the same transaction where the run goes on; one round trip. Safe to repeat.
 * @throws AppError `unavailable`; Postgres' own error if a row is at fault, and then nothing is written
 */
export async function applyRunPage(
  database: Database,
  input: {
    runId: string;
    owner: string;
    /** How many pages were saved before this one. */
    step: number;
    items: readonly BatchItem[];
    /** Users of Clerk that this page adds to those looked at. */
    lookedAt: number;
    cursor: RunCursor;
    defaultTurma: string;
  },
): Promise<"saved" | "cancelled" | "lost"> {
  const head = JSON.stringify({
    run_id: input.runId,
    owner: input.owner,
    step: input.step,
    lease_ms: leaseMs,
    clerk_ids: input.items.map((item) => item.clerkId),
    looked_at: input.lookedAt,
    cursor: input.cursor,
  });
  const { json, texts } = toBatch(input.items, input.defaultTurma);
  const argument = `${head.slice(0, -1)},"batch":${json}}`;
  try {
    const answer = await database.callFunction("apply_run_page", argument, { texts, deadlineMs: pageDeadlineMs });
    return (answer as { state: "saved" | "cancelled" | "lost" }).state;
  } catch (error) {
    if ((error as { code?: unknown }).code === lostRunState) return "lost";
    throw error;
  }
}

/** The SQLSTATE of a page that came too late. */
const lostRunState = "LOSTR";
