import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import { initialCursor, type RunCursor } from "../../domain/runCursor.ts";
import type { Log } from "../../log.ts";
import { retry } from "../../retry.ts";
import type { OpenRun } from "../../store/runs/runLease.ts";
import type { BatchItem } from "../../store/users/batchItem.ts";
import type { UserWriter } from "../../store/users/userWriter.ts";
import { createBatchPace } from "../batchPace.ts";
import { RunStopped } from "./runStopped.ts";

/** A longer outage of the database fails the run. */
const databaseRetryMsMax = 30_000;
const firstRetryMs = 250;
const retryMsMax = 2_000;
/** How many unreadable elements and refused users a run's record names. */
export const namesMax = 10;

/** New values of the cursor; `step` is set by the writer. */
export type CursorChanges = Partial<Omit<RunCursor, "step">>;

/** The run, its lease, and what writing its pages needs. */
export interface PageWriterDeps {
  readonly users: Pick<UserWriter, "applyRunPage">;
  readonly run: OpenRun;
  readonly owner: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Writes the pages of a run, each together with the cursor after it. */
export interface PageWriter {
  readonly cursor: () => RunCursor;
  /** Maximum size of the next page: what the database writes in 200 ms, so that deliveries do not wait longer. */
  readonly itemsMax: () => number;
  /**
   * Writes a page; retries while the database is unavailable, for up to 30 s.
   * @param seen how many users to add to the run's count
   * @param leaving see `RunPage`
   * @returns the items that were not written because another transaction holds a row that they need; they are in
   * `busyIds` of the cursor
   * @throws RunStopped; Postgres' own error, see `UserWriter`
   */
  readonly write: (
    items: readonly BatchItem[],
    seen: number,
    changes: CursorChanges,
    leaving?: readonly BatchItem[],
  ) => Promise<BatchItem[]>;
}

/** Starts from the saved cursor of the run. */
export function createPageWriter({ users, run, owner, log, clock, signal }: PageWriterDeps): PageWriter {
  let cursor = toCursor(run.cursor);
  const pace = createBatchPace();
  return {
    cursor: () => cursor,
    itemsMax: pace.itemsMax,
    write: async (items, seen, changes, leaving) => {
      const busyIds = withoutBusy(cursor, items);
      const next = { ...cursor, busyIds, ...changes, step: cursor.step + 1 };
      const page = { runId: run.runId, owner, step: cursor.step, items, seen, cursor: next, leaving };
      const retriesUntilMs = clock.nowMs() + databaseRetryMsMax;
      const result = await retry(() => users.applyRunPage(page), {
        clock,
        signal,
        findWaitMs: (error, failures) => {
          const isTransient = error instanceof AppError && error.code === "unavailable";
          if (!isTransient || clock.nowMs() > retriesUntilMs) return undefined;
          if (items.length > 1) pace.failed();
          log.warn({ err: error, runId: run.runId }, "[Runs] A page could not be written and is retried");
          return Math.min(firstRetryMs * 2 ** (failures - 1), retryMsMax);
        },
      });
      if (result.state !== "saved") throw new RunStopped(result.state);
      if (items.length > 0) pace.committed(items.length, result.writerMs);
      const busyItems = items.filter((item) => result.busyClerkIds.includes(toClerkId(item)));
      cursor = { ...next, busyIds: [...next.busyIds, ...busyItems.map(toClerkId)] };
      return busyItems;
    },
  };
}

/** Cursor changes that record a user who cannot be stored. */
export function refuse(cursor: RunCursor, clerkId: string): CursorChanges {
  if (cursor.refusedIds.includes(clerkId)) return {};
  return { refused: cursor.refused + 1, refusedIds: [...cursor.refusedIds, clerkId].slice(0, namesMax) };
}

/** `busyIds` of the cursor without those of `items`. */
export function withoutBusy({ busyIds }: RunCursor, items: readonly BatchItem[]): readonly string[] {
  if (busyIds.length === 0) return busyIds;
  const clerkIds = items.map(toClerkId);
  return busyIds.filter((clerkId) => !clerkIds.includes(clerkId));
}

/** Every item of a run has a user, so its `clerkId` is never null. */
export const toClerkId = ({ clerkId }: BatchItem): string => clerkId ?? "";

function toCursor(saved: RunCursor | null): RunCursor {
  // A cursor saved by an older version lacks newer fields.
  const cursor = { ...initialCursor, ...saved, position: { ...initialCursor.position, ...saved?.position } };
  // The process that would have retried these users has ended, and their items are lost: they are recorded as refused.
  const named = cursor.busyIds.reduce((former, clerkId) => ({ ...former, ...refuse(former, clerkId) }), cursor);
  return { ...named, busyIds: [] };
}
