import type { Clock } from "../clock.ts";
import { AppError, errorTexts } from "../errors.ts";

export interface GroupCommitOptions<Item, Result> {
  readonly clock: Clock;
  /**
   * Commits a batch and answers one result per item, in order; an Error in an item's place fails that item alone.
   * Throwing fails the whole batch. Has to end by itself.
   */
  readonly flush: (items: readonly Item[]) => Promise<readonly (Result | Error)[]>;
  /** Items that share a key never share a batch. */
  readonly keysOf: (item: Item) => readonly string[];
  /** What an item weighs in a batch, in UTF-16 units. */
  readonly sizeOf: (item: Item) => number;
  readonly batchItemsMax: number;
  /** How many items may be under way together; one batch may always be. Asked at each departure. */
  readonly itemsInFlightMax: () => number;
  readonly batchSizeMax: number;
  readonly queueItemsMax: number;
  /** Bounds the memory that waiting items hold. */
  readonly queueSizeMax: number;
  readonly batchesInFlightMax: number;
  /**
   * A commit that takes no longer than this (milliseconds) is waited for: the next batch is the larger for it, and
   * departs when the one before is answered, or has been under way for as long.
   */
  readonly nearMs: number;
  /** Where commits take longer, a batch departs as often as this (milliseconds) while others are under way. */
  readonly headwayMs: number;
}

export interface GroupCommit<Item, Result> {
  /**
   * Resolves once the batch that holds the item is committed.
   * @param deadlineAtMs epoch milliseconds; passed while the item still waits, the item is dropped
   * @throws AppError `unavailable` if the queue is full or the deadline passes
   */
  readonly submit: (item: Item, deadlineAtMs: number) => Promise<Result>;
  readonly queueItems: () => number;
}

interface Waiter<Item, Result> {
  readonly item: Item;
  readonly keys: readonly string[];
  readonly size: number;
  readonly cancelDeadline: () => void;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/**
 * While a batch is under way arriving items wait together and become the next batch; with nothing under way an item
 * is flushed at once. Nothing is added to the latency of an idle server, and the busier it is the larger its batches.
 * Short round trip: one batch at a time, because each has a fixed cost. Long round trip: several in flight.
 */
export function createGroupCommit<Item, Result>(options: GroupCommitOptions<Item, Result>): GroupCommit<Item, Result> {
  let queue: Waiter<Item, Result>[] = [];
  let queueSize = 0;
  let batchesInFlight = 0;
  let itemsInFlight = 0;
  let cancelDeparture: (() => void) | undefined;
  const { clock } = options;
  const timetable = createTimetable(options);

  function pump(): void {
    cancelDeparture?.();
    cancelDeparture = undefined;
    while (batchesInFlight < options.batchesInFlightMax && queue.length > 0) {
      const itemsMax =
        batchesInFlight === 0 ? Math.max(1, options.itemsInFlightMax()) : options.itemsInFlightMax() - itemsInFlight;
      // The next arrival calls again.
      if (itemsMax <= 0) return;
      const waitMs = batchesInFlight === 0 ? 0 : timetable.findWaitMs();
      if (waitMs > 0) {
        cancelDeparture = clock.setTimer(waitMs, pump);
        return;
      }
      depart(Math.min(itemsMax, options.batchItemsMax));
    }
  }

  function depart(itemsMax: number): void {
    const { batch, size, rest } = takeBatch(queue, { itemsMax, batchSizeMax: options.batchSizeMax });
    queue = rest;
    queueSize -= size;
    batchesInFlight += 1;
    itemsInFlight += batch.length;
    const arrived = timetable.departed();
    void settleBatch(batch, options.flush).finally(() => {
      batchesInFlight -= 1;
      itemsInFlight -= batch.length;
      arrived();
      pump();
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
        // An item already in a batch may still be committed; then its repetition is answered as a duplicate.
        const place = queue.indexOf(waiter);
        if (place >= 0) {
          queue.splice(place, 1);
          queueSize -= size;
        }
        reject(new AppError("unavailable", errorTexts.databaseTimeout, { retryAfterSeconds: 5 }));
      });
      const waiter = { item, keys: options.keysOf(item), size, cancelDeadline, resolve, reject };
      queue.push(waiter);
      queueSize += size;
      // A departure that is planned takes it along.
      if (cancelDeparture === undefined) pump();
      return promise;
    },
  };
}

/** Flushes a batch and gives each waiter its result. Never throws. */
async function settleBatch<Item, Result>(
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

/** When a batch may follow one that is under way. */
function createTimetable({ clock, nearMs, headwayMs }: { clock: Clock; nearMs: number; headwayMs: number }) {
  let lastDepartureMs = 0;
  let lastCommitMs = 0;
  return {
    /** Milliseconds until the next batch may depart; 0 or less: now. */
    findWaitMs: () => lastDepartureMs + (lastCommitMs > nearMs ? headwayMs : nearMs) - clock.monotonicMs(),
    /** To be called at a departure; the function it answers, when that batch is committed or has failed. */
    departed: () => {
      const departureMs = clock.monotonicMs();
      lastDepartureMs = departureMs;
      return () => {
        lastCommitMs = clock.monotonicMs() - departureMs;
      };
    },
  };
}

/** The next batch, in order of arrival but for items whose key is already in it; those keep their places. */
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
    // A later change of the same user must not overtake this one: order costs nothing and reads naturally in logs.
    for (const key of waiter.keys) taken.add(key);
  }
  return { batch, size, rest };
}
