import type { BatchItem } from "../../store/users/batchItem.ts";
import { isLocked, isRefusal, isTaken } from "../../store/connection/pgErrors.ts";
import { bisect } from "../bisect.ts";
import {
  refuse,
  toClerkId,
  withoutBusy,
  type CursorChanges,
  type PageWriter,
  type PageWriterDeps,
} from "./pageWriter.ts";
import { createTakenUsers } from "./takenUsers.ts";

export interface ChunkOptions {
  readonly lookedAt: boolean;
  /** What the cursor says when the first `count` of them are written. */
  readonly advance: (count: number) => CursorChanges;
  /** At the end of a run: the users whom a unique value refused before. They are recorded now if it still does. */
  readonly leaving?: readonly BatchItem[];
}

/** Writes items as one page; where one of them is refused or locked, in as many as it takes to set that one apart. */
export interface ChunkWriter {
  /** @returns the items that are not written because another program has locked a row that they need */
  readonly applyChunk: (chunk: readonly BatchItem[], options: ChunkOptions) => Promise<BatchItem[]>;
  /** Counts and names a user who cannot be stored. */
  readonly recordRefused: (item: BatchItem, err: unknown, lookedAt: boolean, changes: CursorChanges) => Promise<void>;
  /** The users whom a unique value refused, to be tried again at the end. */
  readonly takeTaken: () => BatchItem[];
}

export function createChunkWriter(
  { log, run }: Pick<PageWriterDeps, "log" | "run">,
  { cursor, write }: Pick<PageWriter, "cursor" | "write">,
): ChunkWriter {
  const taken = createTakenUsers();

  async function applyChunk(chunk: readonly BatchItem[], options: ChunkOptions): Promise<BatchItem[]> {
    const { lookedAt, advance, leaving } = options;
    const busyItems = await bisect<BatchItem, BatchItem | null>(chunk, {
      commit: async (part, startPlace) => {
        const left = await write(part, lookedAt ? part.length : 0, advance(startPlace + part.length), leaving);
        taken.drop(part);
        return left;
      },
      isItemAtFault: (error) => isRefusal(error) || isLocked(error),
      onCulprit: async (item, error, place) => {
        const changes = advance(place + 1);
        const isKept = leaving === undefined && lookedAt && isTaken(error) && taken.keep(item);
        if (!isKept && !isLocked(error)) {
          await recordRefused(item, error, lookedAt, changes);
          return null;
        }
        await write([], 0, { ...changes, busyIds: [...withoutBusy(cursor(), [item]), toClerkId(item)] });
        return isKept ? null : item;
      },
    });
    return busyItems.filter((item) => item !== null);
  }

  async function recordRefused(
    item: BatchItem,
    err: unknown,
    lookedAt: boolean,
    changes: CursorChanges,
  ): Promise<void> {
    const clerkId = toClerkId(item);
    log.error({ err, clerkId, runId: run.runId }, "[Runs] A user cannot be stored");
    const busyIds = withoutBusy(cursor(), [item]);
    await write([], lookedAt ? 1 : 0, { ...changes, busyIds, ...refuse(cursor(), clerkId) });
  }

  return { applyChunk, recordRefused, takeTaken: taken.take };
}
