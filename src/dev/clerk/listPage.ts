import type { ClerkUser } from "../../clerk/clerkApi.ts";
import type { UserPopulation } from "./userPopulation.ts";

type OrderField = "created_at" | "updated_at";

/** A question about the directory; times are epoch milliseconds. */
export interface PageQuery {
  readonly limit: number;
  readonly offset?: number;
  readonly orderBy: { readonly field: OrderField; readonly descending: boolean };
  /** The page begins after this user; with `created_at` order only. */
  readonly startingAfter?: ClerkUser;
  readonly createdAtAfterMs?: number;
  readonly createdAtBeforeMs?: number;
}

/** A user who was added or changed. */
export interface DirectoryEntry extends Readonly<Record<OrderField, number>> {
  readonly user: ClerkUser;
}

interface Directory {
  readonly population: UserPopulation;
  /** Indexes of users that were changed or deleted. */
  readonly overridden: ReadonlySet<number>;
  readonly overrides: ReadonlyMap<string, DirectoryEntry>;
  readonly sorted: Map<OrderField, readonly DirectoryEntry[]>;
}

/** A place in the order: time, then id, so that users of one millisecond have an order too. */
interface Place {
  readonly atMs: number;
  /** Made only when two have the same time. */
  readonly clerkId: () => string;
}

/**
 * Merges two sorted sequences: the population, whose users are generated for the page alone, and the users that were
 * added or changed. Costs as much as the page and its offset, whatever the size of the population.
 */
export function listPage(directory: Directory, query: PageQuery): ClerkUser[] {
  const { field, descending } = query.orderBy;
  const generated = createPopulationSequence(directory, query);
  const changed = createOverrideSequence(directory, query);
  const start = query.startingAfter && toPlace(directory, query.startingAfter);
  if (start) for (const sequence of [generated, changed]) sequence.seek(start);
  const page: ClerkUser[] = [];
  let toSkip = query.offset ?? 0;
  while (page.length < query.limit) {
    const [a, b] = [generated.peek(), changed.peek()];
    if (!a && !b) break;
    const sign = descending ? -1 : 1;
    const next = !b || (a && sign * compare(a, b) < 0) ? generated : changed;
    if (toSkip > 0) toSkip--;
    else page.push(next.user());
    next.advance();
  }
  return page;

  function toPlace({ population, overrides }: Directory, user: ClerkUser): Place {
    const entry = overrides.get(user.id);
    const index = population.findIndex(user.id);
    return {
      atMs: entry?.[field] ?? (index === undefined ? 0 : population.createdAtMs(index)),
      clerkId: () => user.id,
    };
  }
}

/** One of the two sequences, in the order of the query. */
interface Sequence {
  readonly peek: () => Place | undefined;
  readonly user: () => ClerkUser;
  readonly advance: () => void;
  /** Moves to the first place after `place`. */
  readonly seek: (place: Place) => void;
}

function createPopulationSequence({ population, overridden }: Directory, query: PageQuery): Sequence {
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
  const skipOverridden = () => {
    while (at >= first && at < end && overridden.has(at)) at += step;
    place = at >= first && at < end ? placeAt(at) : undefined;
  };
  skipOverridden();
  return {
    peek: () => place,
    user: () => population.userAt(at),
    advance: () => {
      at += step;
      skipOverridden();
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
      skipOverridden();
    },
  };
}

function createOverrideSequence({ overrides, sorted }: Directory, query: PageQuery): Sequence {
  const { field, descending } = query.orderBy;
  const toPlace = (entry: DirectoryEntry): Place => ({ atMs: entry[field], clerkId: () => entry.user.id });
  let entries = sorted.get(field);
  if (!entries) {
    entries = [...overrides.values()].sort((a, b) => compare(toPlace(a), toPlace(b)));
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
      if (!entry) throw new Error("the sequence has come to its end");
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

/** Compares times, then ids by bytes: the digits of an id are in the order of their bytes. */
function compare(a: Place, b: Place): number {
  if (a.atMs !== b.atMs) return a.atMs - b.atMs;
  const [aId, bId] = [a.clerkId(), b.clerkId()];
  return aId < bId ? -1 : aId > bId ? 1 : 0;
}

/** The first of 0…size-1 for which `isTrue` is true, given that it stays true from there; else `size`. */
function firstIndex(size: number, isTrue: (index: number) => boolean): number {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isTrue(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
