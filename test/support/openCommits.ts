import { AppError } from "../../src/errors.ts";
import { createGroupCommit, type GroupCommitOptions } from "../../src/service/groupCommit.ts";
import { createTestClock } from "./testClock.ts";

interface Item {
  readonly id: string;
  readonly key: string;
  readonly size: number;
}

/** Batches as they were flushed, each to be ended by hand. */
export function openCommits(options: Partial<GroupCommitOptions<Item, string>> = {}) {
  const batches: { ids: string[]; end: PromiseWithResolvers<void> }[] = [];
  const clock = createTestClock();
  const commits = createGroupCommit<Item, string>({
    clock,
    flush: async (items) => {
      const end = Promise.withResolvers<void>();
      batches.push({ ids: items.map((item) => item.id), end });
      await end.promise;
      return items.map((item) => (item.id === "bad" ? new Error("bad") : `done ${item.id}`));
    },
    keysOf: (item) => [item.key],
    sizeOf: (item) => item.size,
    batchItemsMax: 3,
    itemsInFlightMax: () => 100,
    batchSizeMax: 100,
    queueItemsMax: 4,
    queueSizeMax: 200,
    batchesInFlightMax: 1,
    findWorkMs: (items) => items,
    ...options,
  });
  /** The result, or the error's code or message. */
  const submit = (id: string, { key = id, size = 1, deadlineMs = 5_000 } = {}) =>
    commits.submit({ id, key, size }, clock.nowMs() + deadlineMs).catch((error: unknown) => {
      if (error instanceof AppError) return error.code;
      return error instanceof Error ? error.message : "?";
    });
  const endNext = async () => {
    batches.at(-1)?.end.resolve();
    await clock.advance(0);
  };
  return { clock, batches, submit, endNext, queueItems: commits.queueItems };
}

export const idsOf = (batches: { ids: string[] }[]) => batches.map((batch) => batch.ids.join());
