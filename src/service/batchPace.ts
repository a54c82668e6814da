/** Limit on the time for which one batch occupies the writer, because all other changes wait. */
const writerMsMax = 200;
/** Initial estimate per item; a fast database reaches full batches after a few commits. */
const firstItemMs = 4;
/** Fixed cost of a batch, in changes: Postgres initialises the plans of its statements. Measured: 4 to 7. */
const fixedItems = 5;
/** Weight of earlier batches in the moving average, per batch. */
const decay = 0.5;

/** Estimates how many changes the writer applies in 200 ms, from a moving average of the last commits. */
export interface BatchPace {
  /** At least 1; no upper limit. */
  readonly itemsMax: () => number;
  /** Expected database time of a batch of `items` changes, milliseconds; of 0 changes: the fixed cost of a batch. */
  readonly findWorkMs: (items: number) => number;
  /** @param writerMs database time of the changes, without round trip and the wait for the writer's lock */
  readonly committed: (items: number, writerMs: number) => void;
  /** Call after a batch that timed out, which may have been too large: halves the estimate. */
  readonly failed: () => void;
}

/** Create one per queue or run. */
export function createBatchPace(): BatchPace {
  let items = 1;
  let batches = 1;
  let ms = firstItemMs;
  return {
    itemsMax: () => Math.max(1, Math.floor((writerMsMax * items) / ms)),
    findWorkMs: (count) => (ms * (count + fixedItems)) / (items + batches * fixedItems),
    committed: (batchItems, writerMs) => {
      items = items * decay + batchItems;
      batches = batches * decay + 1;
      ms = ms * decay + writerMs;
    },
    failed: () => {
      ms = Math.min(ms * 2, writerMsMax * items);
    },
  };
}
