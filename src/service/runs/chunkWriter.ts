import type { BatchItem } from "../../store/users/batchItem.ts";
import { isBusy, isRefusal, isSlow, isUniqueViolation } from "../../store/connection/pgErrors.ts";
import { bisect } from "../bisect.ts";
import {
  refuse,
  toClerkId,
  withoutBusy,
  type CursorChanges,
  type PageWriter,
  type PageWriterDeps,
} from "./pageWriter.ts";
import { createDeferredUsers } from "./deferredUsers.ts";

/** How a chunk of items is counted. */
export interface ChunkOptions {
  /** See `RunWriter.apply`. */
  readonly countsAsSeen: boolean;
  /** The cursor's changes once the first `count` items are written. */
  readonly advance: (count: number) => CursorChanges;
  /** Set for the retry at the end of a run: all deferred items. An item that is still refused is then recorded. */
  readonly leaving?: readonly BatchItem[];
}

/** Writes items as one page; if an item is refused, locked or slow, the page is split until that item is isolated. */
export interface ChunkWriter {
  /** @returns the items that were not written because they are busy */
  readonly applyChunk: (chunk: readonly BatchItem[], options: ChunkOptions) => Promise<BatchItem[]>;
  /** Adds a user who cannot be stored to the run's record. */
  readonly recordRefused: (
    item: BatchItem,
    err: unknown,
    countsAsSeen: boolean,
    changes: CursorChanges,
  ) => Promise<void>;
  /** Removes and returns the users whom a unique value refused, for the retry at the end of the run. */
  readonly takeDeferred: () => BatchItem[];
}

/** Create one per run: it holds the deferred users. */
export function createChunkWriter(
  { log, run }: Pick<PageWriterDeps, "log" | "run">,
  { cursor, write }: Pick<PageWriter, "cursor" | "write">,
): ChunkWriter {
  const deferred = createDeferredUsers();

  async function applyChunk(chunk: readonly BatchItem[], options: ChunkOptions): Promise<BatchItem[]> {
    const { countsAsSeen, advance, leaving } = options;
    const busyItems = await bisect<BatchItem, BatchItem | null>(chunk, {
      commit: async (part, startPlace) => {
        const left = await write(part, countsAsSeen ? part.length : 0, advance(startPlace + part.length), leaving);
        deferred.drop(part);
        return left;
      },
      isItemAtFault: (error) => isRefusal(error) || isBusy(error),
      isExpensive: isSlow,
      onCulprit: async (item, error, place) => {
        const changes = advance(place + 1);
        const isDeferred = leaving === undefined && countsAsSeen && isUniqueViolation(error) && deferred.keep(item);
        if (!isDeferred && !isBusy(error)) {
          await recordRefused(item, error, countsAsSeen, changes);
          return null;
        }
        await write([], 0, { ...changes, busyIds: [...withoutBusy(cursor(), [item]), toClerkId(item)] });
        return isDeferred ? null : item;
      },
    });
    return busyItems.filter((item) => item !== null);
  }

  async function recordRefused(
    item: BatchItem,
    err: unknown,
    countsAsSeen: boolean,
    changes: CursorChanges,
  ): Promise<void> {
    const clerkId = toClerkId(item);
    log.error(
      { err, clerkId, runId: run.runId },
      "[Runs] A user cannot be stored; run doctor, and re-sync the user once the cause is fixed",
    );
    const busyIds = withoutBusy(cursor(), [item]);
    await write([], countsAsSeen ? 1 : 0, { ...changes, busyIds, ...refuse(cursor(), clerkId) });
  }

  return { applyChunk, recordRefused, takeDeferred: deferred.take };
}
