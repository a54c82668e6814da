import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import { runStart, type RunCursor } from "../../domain/runCursor.ts";
import type { Log } from "../../log.ts";
import { retry } from "../../retry.ts";
import type { OpenRun } from "../../store/runs/runLease.ts";
import type { BatchItem } from "../../store/users/batchItem.ts";
import type { UserWriter } from "../../store/users/userWriter.ts";
import { createBatchPace } from "../batchPace.ts";
import { RunStopped } from "./runStopped.ts";

/** An interruption of the database that a run outlasts. */
const databaseRetryMsMax = 30_000;
const firstRetryMs = 250;
const retryMsMax = 2_000;
/** Enough to look into; the record is no list. */
export const namesMax = 10;

export type CursorChanges = Partial<Omit<RunCursor, "step">>;

export interface PageWriterDeps {
  readonly users: Pick<UserWriter, "applyRunPage">;
  readonly run: OpenRun;
  readonly owner: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Writes single pages of a run, and with each where the run goes on. */
export interface PageWriter {
  readonly cursor: () => RunCursor;
  /** How many items the next page may have, so that deliveries do not wait long behind it. */
  readonly itemsMax: () => number;
  /**
   * An interruption of the database is waited for.
   * @param leaving see `RunPage`
   * @returns the items that are not written because another program has locked a row that they need; the cursor names
   * them as `busyIds`
   * @throws RunStopped; Postgres' own error, see `UserWriter`
   */
  readonly write: (
    items: readonly BatchItem[],
    lookedAt: number,
    changes: CursorChanges,
    leaving?: readonly BatchItem[],
  ) => Promise<BatchItem[]>;
}

export function createPageWriter({ users, run, owner, log, clock, signal }: PageWriterDeps): PageWriter {
  let cursor = toCursor(run.cursor);
  const pace = createBatchPace();
  return {
    cursor: () => cursor,
    itemsMax: pace.itemsMax,
    write: async (items, lookedAt, changes, leaving) => {
      const busyIds = withoutBusy(cursor, items);
      const next = { ...cursor, busyIds, ...changes, step: cursor.step + 1 };
      const page = { runId: run.runId, owner, step: cursor.step, items, lookedAt, cursor: next, leaving };
      const retriesUntilMs = clock.nowMs() + databaseRetryMsMax;
      const result = await retry(() => users.applyRunPage(page), {
        clock,
        signal,
        findWaitMs: (error, failures) => {
          const isTransient = error instanceof AppError && error.code === "unavailable";
          if (!isTransient || clock.nowMs() > retriesUntilMs) return undefined;
          if (items.length > 1) pace.failed();
          log.warn({ err: error, runId: run.runId }, "[Runs] A page could not be written and is tried again");
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

/** The cursor with one more user who could not be stored. */
export function refuse(cursor: RunCursor, clerkId: string): CursorChanges {
  if (cursor.refusedIds.includes(clerkId)) return {};
  return { refused: cursor.refused + 1, refusedIds: [...cursor.refusedIds, clerkId].slice(0, namesMax) };
}

/** The `busyIds` of the cursor but for those items. */
export function withoutBusy({ busyIds }: RunCursor, items: readonly BatchItem[]): readonly string[] {
  if (busyIds.length === 0) return busyIds;
  const clerkIds = items.map(toClerkId);
  return busyIds.filter((clerkId) => !clerkIds.includes(clerkId));
}

/** Each change of a run is about a user. */
export const toClerkId = ({ clerkId }: BatchItem): string => clerkId ?? "";

function toCursor(saved: RunCursor | null): RunCursor {
  // The cursor of an older version lacks what has been added since.
  const cursor = { ...runStart, ...saved, position: { ...runStart.position, ...saved?.position } };
  // The process that was to try them again has died.
  const named = cursor.busyIds.reduce((former, clerkId) => ({ ...former, ...refuse(former, clerkId) }), cursor);
  return { ...named, busyIds: [] };
}
