import type { BatchItem } from "../../store/users/batchItem.ts";
import { toClerkId } from "./pageWriter.ts";

/** Enough for users who exchange addresses; a unique name would refuse far more. */
const usersMax = 500;
/** UTF-16 units of JSON text. */
const sizeMax = 4 * 1024 * 1024;

/** Users whom a unique value (mostly an address) refused, kept in memory for a retry at the end of the run. */
export interface DeferredUsers {
  /** @returns false if the limits are reached: the user is not kept */
  readonly keep: (item: BatchItem) => boolean;
  /** Removes users who have been written since. */
  readonly drop: (items: readonly BatchItem[]) => void;
  /** Removes and returns all users. */
  readonly take: () => BatchItem[];
}

/** Create one per run. */
export function createDeferredUsers(): DeferredUsers {
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
