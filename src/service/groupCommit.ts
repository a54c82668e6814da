import type { Clock } from "../clock.ts";
import { AppError, errorTexts } from "../errors.ts";
import { createBatchStarts } from "./batchStarts.ts";

/** Limits of a group commit, and how it commits. Sizes are in UTF-16 units, as `sizeOf` measures them. */
export interface GroupCommitOptions<Item, Result> {
  readonly clock: Clock;
  /**
   * Commits a batch; resolves with one result per item, in order. An Error as a result fails that item only, a rejection
   * the whole batch. Needs a deadline of its own.
   */
  readonly flush: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>;
  /** Items that share a key never share a batch. */
  readonly keysOf: (item: Item) => readonly string[];
  readonly sizeOf: (item: Item) => number;
  readonly batchItemsMax: number;
  /** Maximum number of items in flight, read at the start of each batch; a single batch is always allowed. */
  readonly itemsInFlightMax: () => number;
  readonly batchSizeMax: number;
  readonly queueItemsMax: number;
  /** Bounds the memory of the queue. */
  readonly queueSizeMax: number;
  readonly batchesInFlightMax: number;
  /** Expected database time of a batch of `items` items, milliseconds; of 0 items: the fixed cost of a batch. */
  readonly findWorkMs: (items: number) => number;
}

/** A queue whose items are committed in batches. */
export interface GroupCommit<Item, Result> {
  /**
   * Resolves with the item's result after the commit of its batch.
   * @param deadlineAtMs epoch milliseconds; an item still in the queue by then is dropped, one in a batch may still be
   * committed after the promise is rejected
   * @throws AppError `unavailable` if the queue is full or the deadline passes
   */
  readonly submit: (item: Item, deadlineAtMs: number) => Promise<Result>;
  readonly queueItems: () => number;
}

interface Waiter<Item, Result> {
  readonly item: Item;
  readonly keys: readonly string[];
  readonly size: number;
  readonly queuedAtMs: number;
  readonly cancelDeadline: () => void;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/**
 * While a batch is in flight, arriving items are queued and become the next batch; with none in flight, an item is
 * committed at once. So an idle server has no added latency, and batches grow with the load. The next batch starts when
 * the writer is about to be free. Short round trip: shortly before the end of the batch in flight. Long round trip:
 * several batches overlap. While others are in flight, a batch gathers items for at least the time of its fixed cost,
 * because a further batch would cost that time anyway.
 */
export function createGroupCommit<Item, Result>(options: GroupCommitOptions<Item, Result>): GroupCommit<Item, Result> {
  let queue: Waiter<Item, Result>[] = [];
  let queueSize = 0;
  let batchesInFlight = 0;
  let itemsInFlight = 0;
  let cancelStart: (() => void) | undefined;
  const { clock } = options;
  const starts = createBatchStarts(clock);

  function startBatches(): void {
    cancelStart?.();
    cancelStart = undefined;
    while (batchesInFlight < options.batchesInFlightMax && queue.length > 0) {
      const itemsMax =
        batchesInFlight === 0 ? Math.max(1, options.itemsInFlightMax()) : options.itemsInFlightMax() - itemsInFlight;
      // The end of a batch in flight, or the next item, calls this function again.
      if (itemsMax <= 0) return;
      const waitMs = batchesInFlight === 0 ? 0 : Math.max(starts.findWaitMs(), findGatherMs());
      if (waitMs > 0) {
        cancelStart = clock.setTimer(waitMs, startBatches);
        return;
      }
      startBatch(Math.min(itemsMax, options.batchItemsMax));
    }
  }

  function findGatherMs(): number {
    const sinceMs = queue[0]?.queuedAtMs ?? 0;
    return sinceMs + options.findWorkMs(0) - clock.monotonicMs();
  }

  function startBatch(itemsMax: number): void {
    const { batch, size, rest } = takeBatch(queue, { itemsMax, batchSizeMax: options.batchSizeMax });
    queue = rest;
    queueSize -= size;
    batchesInFlight += 1;
    itemsInFlight += batch.length;
    const ended = starts.started(options.findWorkMs(batch.length));
    void flushBatch(batch, options.flush).finally(() => {
      batchesInFlight -= 1;
      itemsInFlight -= batch.length;
      ended();
      startBatches();
    });
  }

  return {
    queueItems: () => queue.length,
    submit: (item, deadlineAtMs) => {
      const size = options.sizeOf(item);
      if (queue.length >= options.queueItemsMax || (queue.length > 0 && queueSize + size > options.queueSizeMax)) {
        return Promise.reject(new AppError("unavailable", "Too many changes are waiting.", { retryAfterSeconds: 5 }));
      }
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      const cancelDeadline = clock.setTimer(Math.max(0, deadlineAtMs - clock.nowMs()), () => {
        // An item already in a batch may still be committed; then Svix's retry is answered `duplicate`.
        const place = queue.indexOf(waiter);
        if (place >= 0) {
          queue.splice(place, 1);
          queueSize -= size;
        }
        reject(new AppError("unavailable", errorTexts.databaseTimeout, { retryAfterSeconds: 5 }));
      });
      const queuedAtMs = clock.monotonicMs();
      const waiter = { item, keys: options.keysOf(item), size, queuedAtMs, cancelDeadline, resolve, reject };
      queue.push(waiter);
      queueSize += size;
      // A start that is already planned will take the item.
      if (cancelStart === undefined) startBatches();
      return promise;
    },
  };
}

/** Commits a batch, then resolves or rejects each waiter's promise. Never throws. */
async function flushBatch<Item, Result>(
  batch: readonly Waiter<Item, Result>[],
  flush: GroupCommitOptions<Item, Result>["flush"],
): Promise<void> {
  try {
    const results = await flush(batch.map((waiter) => waiter.item));
    batch.forEach((waiter, place) => {
      waiter.cancelDeadline();
      const result = results[place];
      if (result === undefined) waiter.reject(new Error("A batch answered fewer results than it had items."));
      else if (result instanceof Error) waiter.reject(result);
      else waiter.resolve(result);
    });
  } catch (cause) {
    const error = cause instanceof Error ? cause : new Error("A batch failed.", { cause });
    for (const waiter of batch) {
      waiter.cancelDeadline();
      waiter.reject(error);
    }
  }
}

/** Takes the next batch in order of arrival. Items with a key that is already in it stay in the queue. */
function takeBatch<Item, Result>(
  queue: readonly Waiter<Item, Result>[],
  options: { itemsMax: number; batchSizeMax: number },
): { batch: Waiter<Item, Result>[]; size: number; rest: Waiter<Item, Result>[] } {
  const batch: Waiter<Item, Result>[] = [];
  const rest: Waiter<Item, Result>[] = [];
  const taken = new Set<string>();
  let size = 0;
  let full = false;
  for (const waiter of queue) {
    full ||= batch.length >= options.itemsMax || (batch.length > 0 && size + waiter.size > options.batchSizeMax);
    if (full || waiter.keys.some((key) => taken.has(key))) {
      rest.push(waiter);
    } else {
      batch.push(waiter);
      size += waiter.size;
    }
    // Keeps the order of changes to one user, which makes logs readable.
    for (const key of waiter.keys) taken.add(key);
  }
  return { batch, size, rest };
}
