import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import { toUserUpsert } from "../../clerk/userChange.ts";
import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { runStart, type RunCursor } from "../../domain/runCursor.ts";
import type { RunKind } from "../../domain/syncRun.ts";
import type { Log } from "../../log.ts";
import { toBatchItem, type BatchItem } from "../../store/users/batchItem.ts";
import { isRefusal } from "../../store/connection/pgErrors.ts";
import type { OpenRun } from "../../store/runs/runLease.ts";
import type { UserWriter } from "../../store/users/userWriter.ts";
import { bisect } from "../bisect.ts";
import { retry } from "../../retry.ts";
import { RunStopped } from "./runStopped.ts";

/** UTF-16 units of JSON text that go to the database at once: deliveries wait behind it for some 100 ms at most. */
const chunkSizeMax = 4 * 1024 * 1024;
/** An interruption of the database that a run outlasts. */
const databaseRetryMsMax = 30_000;
const firstRetryMs = 250;
const retryMsMax = 2_000;
/** Enough to look into; the record is no list. */
const refusedIdsMax = 10;

type CursorChanges = Partial<Omit<RunCursor, "step">>;

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

export function createRunWriter(deps: {
  users: Pick<UserWriter, "applyRunPage">;
  run: OpenRun;
  owner: string;
  log: Log;
  clock: Clock;
  signal: AbortSignal;
}): RunWriter {
  const { run, users, owner, log, clock, signal } = deps;
  // The cursor of an older version lacks what has been added since.
  let cursor: RunCursor = {
    ...runStart,
    ...run.cursor,
    position: { ...runStart.position, ...run.cursor?.position },
  };

  async function write(items: readonly BatchItem[], lookedAt: number, changes: CursorChanges): Promise<void> {
    const next = { ...cursor, ...changes, step: cursor.step + 1 };
    const page = { runId: run.runId, owner, step: cursor.step, items, lookedAt, cursor: next };
    const retriesUntilMs = clock.nowMs() + databaseRetryMsMax;
    const state = await retry(() => users.applyRunPage(page), {
      clock,
      signal,
      findWaitMs: (error, failures) => {
        const isTransient = error instanceof AppError && error.code === "unavailable";
        if (!isTransient || clock.nowMs() > retriesUntilMs) return undefined;
        log.warn({ err: error, runId: run.runId }, "[Runs] A page could not be written and is tried again");
        return Math.min(firstRetryMs * 2 ** (failures - 1), retryMsMax);
      },
    });
    if (state !== "saved") throw new RunStopped(state);
    cursor = next;
  }

  async function applyChunk(
    chunk: readonly BatchItem[],
    before: number,
    options: { lookedAt: boolean; advance: (count: number) => CursorChanges },
  ): Promise<void> {
    await bisect(chunk, {
      commit: async (part, startPlace) => {
        const lookedAt = options.lookedAt ? part.length : 0;
        await write(part, lookedAt, options.advance(before + startPlace + part.length));
        return [];
      },
      isItemAtFault: isRefusal,
      onCulprit: async ({ clerkId }, error, place) => {
        log.error({ err: error, clerkId, runId: run.runId }, "[Runs] A rule of the database refuses a user");
        const changes = { ...options.advance(before + place + 1), ...refuse(cursor, clerkId ?? "") };
        await write([], options.lookedAt ? 1 : 0, changes);
      },
    });
  }

  return {
    cursor: () => cursor,
    apply: async (items, { lookedAt = true, advance = () => ({}) } = {}) => {
      let before = 0;
      for (const chunk of toChunks(items)) {
        await applyChunk(chunk, before, { lookedAt, advance });
        before += chunk.length;
      }
    },
    save: (changes) => write([], 0, changes),
    leaveOut: (names) => {
      const { leftOut, leftOutNames } = cursor;
      const firstNames = [...leftOutNames, ...names].slice(0, refusedIdsMax);
      return write([], 0, { leftOut: leftOut + names.length, leftOutNames: firstNames });
    },
  };
}

function refuse(cursor: RunCursor, clerkId: string): CursorChanges {
  if (cursor.refusedIds.includes(clerkId)) return {};
  return { refused: cursor.refused + 1, refusedIds: [...cursor.refusedIds, clerkId].slice(0, refusedIdsMax) };
}

/** In their order, none over the limit unless a single item is. */
function toChunks(items: readonly BatchItem[]): BatchItem[][] {
  const chunks: BatchItem[][] = [];
  let size = 0;
  for (const item of items) {
    const last = chunks.at(-1);
    if (last && size + item.size <= chunkSizeMax) last.push(item);
    else chunks.push([item]);
    size = last === chunks.at(-1) ? size + item.size : item.size;
  }
  return chunks;
}
