/** Every other change waits for as long as a batch keeps the one writer busy. */
const writerMsMax = 200;
/** Assumed before the first commit: a few commits later a fast database has its full batches. */
const firstItemMs = 4;
/** What a batch counts for at the next one: a pace that has changed is known after a few commits. */
const memory = 0.5;

/** How many changes fit into 200 ms of the database's writer, by the pace of the last commits. */
export interface BatchPace {
  /** At least 1; without an upper limit. */
  readonly itemsMax: () => number;
  /** @param writerMs what the changes took in the database, without waits for locks and without the round trip */
  readonly committed: (items: number, writerMs: number) => void;
  /** After a batch without an answer in time: it may have been too large. */
  readonly failed: () => void;
}

export function createBatchPace(): BatchPace {
  let items = 1;
  let ms = firstItemMs;
  return {
    itemsMax: () => Math.max(1, Math.floor((writerMsMax * items) / ms)),
    committed: (batchItems, writerMs) => {
      items = items * memory + batchItems;
      ms = ms * memory + writerMs;
    },
    failed: () => {
      ms = Math.min(ms * 2, writerMsMax * items);
    },
  };
}
