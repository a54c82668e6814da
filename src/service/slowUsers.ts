import type { Clock } from "../clock.ts";
import { toSlowError } from "../store/connection/refusal.ts";

/** Pause between two attempts for slow users. An attempt takes the writer some 0.4 to 0.8 s. */
const pauseMs = 4_000;
const usersMax = 1_000;

/** A change of a user; null: of no user. */
interface Item {
  readonly change: { readonly clerkId: string | null };
}

/**
 * The users whose last change was cancelled because it kept others waiting. Until one of their changes is applied they
 * are tried one at a time, with pauses: else their deliveries, which Svix repeats, would take up the writer's time.
 */
export interface SlowUsers {
  /** Applies the items that may be tried now; the others fail with `toSlowError`. Results are in the order of the items. */
  readonly pass: <I extends Item, Result>(
    items: readonly I[],
    apply: (items: readonly I[]) => Promise<(Result | Error)[]>,
  ) => Promise<(Result | Error)[]>;
  readonly cancelled: (clerkId: string) => void;
}

/** Create one per queue. */
export function createSlowUsers(clock: Clock): SlowUsers {
  const slow = new Set<string>();
  let nextTryMs = 0;

  /** Begins the pause of all slow users if this one may be tried. */
  function mayTry({ change: { clerkId } }: Item): boolean {
    if (clerkId === null || !slow.has(clerkId)) return true;
    if (clock.monotonicMs() < nextTryMs) return false;
    nextTryMs = clock.monotonicMs() + pauseMs;
    return true;
  }

  return {
    pass: async (items, apply) => {
      if (slow.size === 0) return apply(items);
      const tried = items.filter(mayTry);
      const results = tried.length === 0 ? [] : await apply(tried);
      const resultOf = new Map(tried.map((item, place) => [item, results[place]]));
      return items.map((item) => {
        const result = resultOf.get(item) ?? toSlowError();
        if (!(result instanceof Error) && item.change.clerkId !== null) slow.delete(item.change.clerkId);
        return result;
      });
    },
    cancelled: (clerkId) => {
      // A forgotten user is only found to be slow once more.
      if (slow.size >= usersMax) slow.clear();
      slow.add(clerkId);
      nextTryMs = clock.monotonicMs() + pauseMs;
    },
  };
}
