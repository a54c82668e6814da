import type { BatchItem } from "../../store/users/batchItem.ts";
import { toClerkId } from "./pageWriter.ts";

/** Of more, as with a unique name, the rest is not kept. */
const usersMax = 500;
/** UTF-16 units of JSON text. */
const sizeMax = 4 * 1024 * 1024;

/** Users of a run whom a unique value refused, an address mostly, until the run ends. */
export interface TakenUsers {
  /** @returns false: there are too many */
  readonly keep: (item: BatchItem) => boolean;
  /** Meanwhile they were written. */
  readonly drop: (items: readonly BatchItem[]) => void;
  /** All of them, which are kept no longer. */
  readonly take: () => BatchItem[];
}

export function createTakenUsers(): TakenUsers {
  const kept = new Map<string, BatchItem>();
  let size = 0;
  function drop(items: readonly BatchItem[]): void {
    for (const clerkId of items.map(toClerkId)) {
      size -= kept.get(clerkId)?.size ?? 0;
      kept.delete(clerkId);
    }
  }
  return {
    keep: (item) => {
      drop([item]);
      if (kept.size >= usersMax || size + item.size > sizeMax) return false;
      kept.set(toClerkId(item), item);
      size += item.size;
      return true;
    },
    drop,
    take: () => {
      const items = [...kept.values()];
      drop(items);
      return items;
    },
  };
}
