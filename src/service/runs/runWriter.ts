import { sleep } from "../../clock.ts";
import { toUserUpsert } from "../../clerk/userChange.ts";
import type { ClerkUser } from "../../clerk/clerkApi.ts";
import type { RunCursor } from "../../domain/runCursor.ts";
import type { RunKind } from "../../domain/syncRun.ts";
import { toBatchItem, type BatchItem } from "../../store/users/batchItem.ts";
import { isLocked, isRefusal } from "../../store/connection/pgErrors.ts";
import { locked } from "../../store/connection/refusal.ts";
import { bisect } from "../bisect.ts";
import {
  createPageWriter,
  refuse,
  namesMax,
  toClerkId,
  withoutBusy,
  type CursorChanges,
  type PageWriterDeps,
} from "./pageWriter.ts";

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
  const { cursor, write, itemsMax } = createPageWriter(deps);
  let lockedMsLeft = lockedMsMax;

  /** @returns the items that are not written, as `write` */
  async function applyChunk(
    chunk: readonly BatchItem[],
    lookedAt: boolean,
    advance: (count: number) => CursorChanges,
  ): Promise<BatchItem[]> {
    const busyItems = await bisect<BatchItem, BatchItem | null>(chunk, {
      commit: (part, startPlace) => write(part, lookedAt ? part.length : 0, advance(startPlace + part.length)),
      isItemAtFault: (error) => isRefusal(error) || isLocked(error),
      onCulprit: async (item, error, place) => {
        const changes = advance(place + 1);
        if (!isLocked(error)) {
          await recordRefused(item, lookedAt, changes, error);
          return null;
        }
        await write([], 0, { ...changes, busyIds: [...withoutBusy(cursor(), [item]), toClerkId(item)] });
        return item;
      },
    });
    return busyItems.filter((item) => item !== null);
  }

  async function recordRefused(
    item: BatchItem,
    lookedAt: boolean,
    changes: CursorChanges,
    err: unknown,
  ): Promise<void> {
    const clerkId = toClerkId(item);
    log.error({ err, clerkId, runId: run.runId }, "[Runs] A user cannot be stored");
    const busyIds = withoutBusy(cursor(), [item]);
    await write([], lookedAt ? 1 : 0, { ...changes, busyIds, ...refuse(cursor(), clerkId) });
  }

  /** Tries them again as long as the run may wait, then names those that are still locked. */
  async function applyBusy(items: readonly BatchItem[], lookedAt: boolean): Promise<void> {
    let busyItems = items;
    if (items.length > 0)
      log.warn({ runId: run.runId, users: items.length }, "[Runs] Locked by another program: users are tried again");
    while (busyItems.length > 0 && lockedMsLeft > 0) {
      await sleep(clock, lockedRetryMs, signal);
      lockedMsLeft -= lockedRetryMs;
      busyItems = await applyChunk(busyItems, lookedAt, () => ({}));
    }
    for (const item of busyItems) await recordRefused(item, lookedAt, {}, locked());
  }

  return {
    cursor,
    apply: async (items, { lookedAt = true, advance = () => ({}) } = {}) => {
      const busyItems: BatchItem[] = [];
      let before = 0;
      while (before < items.length) {
        const chunk = takeChunk(items, before, itemsMax());
        const start = before;
        busyItems.push(...(await applyChunk(chunk, lookedAt, (count) => advance(start + count))));
        before += chunk.length;
      }
      await applyBusy(busyItems, lookedAt);
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
