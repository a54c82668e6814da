import { sleep } from "../../clock.ts";
import { toUserUpsert } from "../../clerk/userChange.ts";
import type { ClerkUser } from "../../clerk/clerkApi.ts";
import type { RunCursor } from "../../domain/runCursor.ts";
import type { RunKind } from "../../domain/syncRun.ts";
import { toBatchItem, type BatchItem } from "../../store/users/batchItem.ts";
import { toBusyError } from "../../store/connection/refusal.ts";
import { createChunkWriter, type ChunkOptions } from "./chunkWriter.ts";
import { createPageWriter, namesMax, type CursorChanges, type PageWriterDeps } from "./pageWriter.ts";

/** UTF-16 units of JSON text per call: deliveries wait for such a call some 100 ms at most. */
const chunkSizeMax = 4 * 1024 * 1024;
/** How long a run waits, in total, for users whose rows other transactions hold. */
const lockedMsMax = 20_000;
const lockedRetryMs = 500;

/** Writes the changes of a run together with its cursor. Every method throws `RunStopped` once the run is stopped. */
export interface RunWriter {
  readonly cursor: () => RunCursor;
  /**
   * Applies changes in the given order.
   * @param options.countsAsSeen default true. False: for users compared a second time, counted only if that changes them
   * @param options.advance cursor changes once the first `count` items are written
   */
  readonly apply: (
    items: readonly BatchItem[],
    options?: { countsAsSeen?: boolean; advance?: (count: number) => CursorChanges },
  ) => Promise<void>;
  /**
   * Call last: retries the users whom a unique value (mostly an address) refused. The former holder may have left the
   * address by now, and two users who exchange addresses are written together.
   */
  readonly finish: () => Promise<void>;
  readonly save: (changes: CursorChanges) => Promise<void>;
  /** Records unreadable elements of Clerk's lists. */
  readonly leaveOut: (names: readonly string[]) => Promise<void>;
}

/** A Clerk user as an item for `RunWriter.apply`. */
export function toRunItem(user: ClerkUser, kind: RunKind, requestedAtMs: number): BatchItem {
  return toBatchItem(toUserUpsert(user, { source: kind, requestedAtMs }));
}

/** Create one per run. */
export function createRunWriter(deps: PageWriterDeps): RunWriter {
  const { run, log, clock, signal } = deps;
  const pages = createPageWriter(deps);
  const { cursor, write, itemsMax } = pages;
  const { applyChunk, recordRefused, takeDeferred } = createChunkWriter(deps, pages);
  let lockedMsLeft = lockedMsMax;

  /** Retries locked users until the run's waiting time is used up, then records those still locked as refused. */
  async function applyBusy(items: readonly BatchItem[], options: ChunkOptions): Promise<void> {
    let busyItems = items;
    if (items.length > 0)
      log.warn(
        { runId: run.runId, users: items.length },
        "[Runs] Users are locked by another transaction and are retried",
      );
    while (busyItems.length > 0 && lockedMsLeft > 0) {
      await sleep(clock, lockedRetryMs, signal);
      lockedMsLeft -= lockedRetryMs;
      busyItems = await applyChunk(busyItems, { ...options, advance: () => ({}) });
    }
    for (const item of busyItems) await recordRefused(item, toBusyError(), options.countsAsSeen, {});
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
    apply: (items, { countsAsSeen = true, advance = () => ({}) } = {}) => applyAll(items, { countsAsSeen, advance }),
    finish: () => {
      const items = takeDeferred();
      return applyAll(items, { countsAsSeen: true, advance: () => ({}), leaving: items });
    },
    save: async (changes) => void (await write([], 0, changes)),
    leaveOut: async (names) => {
      const { leftOut, leftOutNames } = cursor();
      const firstNames = [...leftOutNames, ...names].slice(0, namesMax);
      await write([], 0, { leftOut: leftOut + names.length, leftOutNames: firstNames });
    },
  };
}

/** The next items, up to `itemsMax` and the size limit; a single item may exceed the size limit. */
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
