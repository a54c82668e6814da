import type { ClerkUser } from "../../clerk/clerkApi.ts";
import type { UserPopulation } from "./userPopulation.ts";

type OrderField = "created_at" | "updated_at";

/** A question about the directory; times are epoch milliseconds. */
export interface PageQuery {
  readonly limit: number;
  readonly offset?: number;
  readonly orderBy: { readonly field: OrderField; readonly descending: boolean };
  /** The page begins behind this user, with `created_at` order only. */
  readonly startingAfter?: ClerkUser;
  readonly createdAtAfterMs?: number;
  readonly createdAtBeforeMs?: number;
}

/** A user who is not, or not any more, as the population has them. */
export interface DirectoryEntry extends Readonly<Record<OrderField, number>> {
  readonly user: ClerkUser;
}

interface Directory {
  readonly population: UserPopulation;
  /** Indexes of those who were deleted or changed. */
  readonly touched: ReadonlySet<number>;
  readonly special: ReadonlyMap<string, DirectoryEntry>;
  readonly sorted: Map<OrderField, readonly DirectoryEntry[]>;
}

/** A place in the order: time, then id, so that users of one millisecond have an order too. */
interface Place {
  readonly atMs: number;
  /** Made only when two have the same time. */
  readonly clerkId: () => string;
}

/**
 * Merges two rows that are both in order: the population, of which a user is made only when the page holds them, and
 * what was changed or added. Cost is that of the page and its offset, whatever the size of the population.
 */
export function listPage(directory: Directory, query: PageQuery): ClerkUser[] {
  const { field, descending } = query.orderBy;
  const untouched = createUntouched(directory, query);
  const changed = createChanged(directory, query);
  const start = query.startingAfter && toPlace(directory, query.startingAfter);
  if (start) for (const row of [untouched, changed]) row.seek(start);
  const page: ClerkUser[] = [];
  let toSkip = query.offset ?? 0;
  while (page.length < query.limit) {
    const [a, b] = [untouched.peek(), changed.peek()];
    if (!a && !b) break;
    const sign = descending ? -1 : 1;
    const next = !b || (a && sign * compare(a, b) < 0) ? untouched : changed;
    if (toSkip > 0) toSkip--;
    else page.push(next.user());
    next.advance();
  }
  return page;

  function toPlace({ population, special }: Directory, user: ClerkUser): Place {
    const entry = special.get(user.id);
    const index = population.findIndex(user.id);
    return {
      atMs: entry?.[field] ?? (index === undefined ? 0 : population.createdAtMs(index)),
      clerkId: () => user.id,
    };
  }
}

/** One of the two rows, in the direction asked for. */
interface Row {
  readonly peek: () => Place | undefined;
  readonly user: () => ClerkUser;
  readonly advance: () => void;
  /** To the first place behind this one. */
  readonly seek: (place: Place) => void;
}

function createUntouched({ population, touched }: Directory, query: PageQuery): Row {
  const { field, descending } = query.orderBy;
  const step = descending ? -1 : 1;
  // The population's times never fall with the index, so a span of time is a span of indexes.
  let first = firstIndex(population.size, (i) => population.createdAtMs(i) > (query.createdAtAfterMs ?? -1));
  let end = firstIndex(population.size, (i) => population.createdAtMs(i) >= (query.createdAtBeforeMs ?? Infinity));
  let at = descending ? end - 1 : first;
  let place: Place | undefined;
  const placeAt = (index: number): Place => ({
    atMs: field === "created_at" ? population.createdAtMs(index) : population.updatedAtMs(index),
    clerkId: () => population.idAt(index),
  });
  const settle = () => {
    while (at >= first && at < end && touched.has(at)) at += step;
    place = at >= first && at < end ? placeAt(at) : undefined;
  };
  settle();
  return {
    peek: () => place,
    user: () => population.userAt(at),
    advance: () => {
      at += step;
      settle();
    },
    seek: (start) => {
      if (descending)
        end = Math.min(
          end,
          firstIndex(population.size, (i) => compare(placeAt(i), start) >= 0),
        );
      else
        first = Math.max(
          first,
          firstIndex(population.size, (i) => compare(placeAt(i), start) > 0),
        );
      at = descending ? end - 1 : first;
      settle();
    },
  };
}

function createChanged({ special, sorted }: Directory, query: PageQuery): Row {
  const { field, descending } = query.orderBy;
  const toPlace = (entry: DirectoryEntry): Place => ({ atMs: entry[field], clerkId: () => entry.user.id });
  let entries = sorted.get(field);
  if (!entries) {
    entries = [...special.values()].sort((a, b) => compare(toPlace(a), toPlace(b)));
    sorted.set(field, entries);
  }
  const { createdAtAfterMs = -1, createdAtBeforeMs = Infinity } = query;
  const isFiltered = createdAtAfterMs >= 0 || createdAtBeforeMs < Infinity;
  const list = isFiltered
    ? entries.filter((entry) => entry.created_at > createdAtAfterMs && entry.created_at < createdAtBeforeMs)
    : entries;
  let at = descending ? list.length - 1 : 0;
  const get = () => list[at];
  return {
    peek: () => {
      const entry = get();
      return entry && toPlace(entry);
    },
    user: () => {
      const entry = get();
      if (!entry) throw new Error("the row has come to its end");
      return entry.user;
    },
    advance: () => {
      at += descending ? -1 : 1;
    },
    seek: (start) => {
      const isBehind = (i: number) => {
        const entry = list[i];
        return entry !== undefined && compare(toPlace(entry), start) > (descending ? -1 : 0);
      };
      at = firstIndex(list.length, isBehind) - (descending ? 1 : 0);
    },
  };
}

/** Bytewise on ids, as their digits are in the order of their bytes. */
function compare(a: Place, b: Place): number {
  if (a.atMs !== b.atMs) return a.atMs - b.atMs;
  const [aId, bId] = [a.clerkId(), b.clerkId()];
  return aId < bId ? -1 : aId > bId ? 1 : 0;
}

/** The first of 0…size-1 for which `holds` is true, given that it stays true from there; else `size`. */
function firstIndex(size: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
