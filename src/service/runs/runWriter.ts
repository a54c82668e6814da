import { sleep } from "../../clock.ts";
import { toUserUpsert } from "../../clerk/userChange.ts";
import type { ClerkUser } from "../../clerk/clerkApi.ts";
import type { RunCursor } from "../../domain/runCursor.ts";
import type { RunKind } from "../../domain/syncRun.ts";
import { toBatchItem, type BatchItem } from "../../store/users/batchItem.ts";
import { locked } from "../../store/connection/refusal.ts";
import { createChunkWriter, type ChunkOptions } from "./chunkWriter.ts";
import { createPageWriter, namesMax, type CursorChanges, type PageWriterDeps } from "./pageWriter.ts";

/** UTF-16 units of JSON text that go to the database at once: deliveries wait behind it for some 100 ms at most. */
const chunkSizeMax = 4 * 1024 * 1024;
/** How long a run waits, in all, for users whose rows other programs have locked. */
const lockedMsMax = 20_000;
const lockedRetryMs = 500;

/** Writes what a run learns, and with it where the run goes on. Every method throws `RunStopped` once it has to stop. */
export interface RunWriter {
  readonly cursor: () => RunCursor;
  /**
   * Applies changes in their order.
   * @param options.lookedAt whether they count as users looked at; if not, they count only where something comes of it
   * @param options.advance what the cursor says when the first `count` of them are written
   */
  readonly apply: (
    items: readonly BatchItem[],
    options?: { lookedAt?: boolean; advance?: (count: number) => CursorChanges },
  ) => Promise<void>;
  /**
   * To be called when everything else is written: tries users again whom a unique value refused, an address mostly. By
   * now the user who had it may have left it; and two who exchange theirs get them.
   */
  readonly finish: () => Promise<void>;
  readonly save: (changes: CursorChanges) => Promise<void>;
  /** Counts and names elements of Clerk's lists that are no readable users. */
  readonly leaveOut: (names: readonly string[]) => Promise<void>;
}

/** A user of Clerk as a change of this run. */
export function toRunItem(user: ClerkUser, kind: RunKind, learnedAtMs: number): BatchItem {
  return toBatchItem(toUserUpsert(user, { source: kind, learnedAtMs }));
}

export function createRunWriter(deps: PageWriterDeps): RunWriter {
  const { run, log, clock, signal } = deps;
  const pages = createPageWriter(deps);
  const { cursor, write, itemsMax } = pages;
  const { applyChunk, recordRefused, takeTaken } = createChunkWriter(deps, pages);
  let lockedMsLeft = lockedMsMax;

  /** Tries them again as long as the run may wait, then names those that are still locked. */
  async function applyBusy(items: readonly BatchItem[], options: ChunkOptions): Promise<void> {
    let busyItems = items;
    if (items.length > 0)
      log.warn({ runId: run.runId, users: items.length }, "[Runs] Locked by another program: users are tried again");
    while (busyItems.length > 0 && lockedMsLeft > 0) {
      await sleep(clock, lockedRetryMs, signal);
      lockedMsLeft -= lockedRetryMs;
      busyItems = await applyChunk(busyItems, { ...options, advance: () => ({}) });
    }
    for (const item of busyItems) await recordRefused(item, locked(), options.lookedAt, {});
  }

  async function applyAll(items: readonly BatchItem[], options: ChunkOptions): Promise<void> {
    const busyItems: BatchItem[] = [];
    let before = 0;
    while (before < items.length) {
      const chunk = takeChunk(items, before, itemsMax());
      const start = before;
      const advance = (count: number) => options.advance(start + count);
      busyItems.push(...(await applyChunk(chunk, { ...options, advance })));
      before += chunk.length;
    }
    await applyBusy(busyItems, options);
  }

  return {
    cursor,
    apply: (items, { lookedAt = true, advance = () => ({}) } = {}) => applyAll(items, { lookedAt, advance }),
    finish: () => {
      const items = takeTaken();
      return applyAll(items, { lookedAt: true, advance: () => ({}), leaving: items });
    },
    save: async (changes) => void (await write([], 0, changes)),
    leaveOut: async (names) => {
      const { leftOut, leftOutNames } = cursor();
      const firstNames = [...leftOutNames, ...names].slice(0, namesMax);
      await write([], 0, { leftOut: leftOut + names.length, leftOutNames: firstNames });
    },
  };
}

/** The next items, no more than `itemsMax` and none over the limit of size unless a single one is. */
function takeChunk(items: readonly BatchItem[], start: number, itemsMax: number): readonly BatchItem[] {
  let size = 0;
  let end = start;
  for (const item of items.slice(start, start + itemsMax)) {
    size += item.size;
    if (end > start && size > chunkSizeMax) break;
    end += 1;
  }
  return items.slice(start, end);
}
