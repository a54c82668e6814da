import { toEpochMs } from "../../clerk/toEpochMs.ts";
import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { createPerson, type Person } from "./person.ts";
import { createUserPopulation } from "./userPopulation.ts";
import { listPage, type DirectoryEntry, type PageQuery } from "./listPage.ts";

/** The users of a simulated instance. A population takes no memory; what was changed or added does. */
export interface ClerkDirectory {
  readonly count: () => number;
  readonly find: (clerkId: string) => ClerkUser | undefined;
  /** One page in the order asked for. */
  readonly list: (query: PageQuery) => ClerkUser[];
  /** A person unknown to the instance, who signs up now. */
  readonly newPerson: () => Person;
  /** @throws Error if the id is or was in use */
  readonly create: (user: ClerkUser) => ClerkUser;
  /** Sets `updated_at` to now, or later than before. @throws Error if there is no such user */
  readonly update: (clerkId: string, changes: Readonly<Record<string, unknown>>) => ClerkUser;
  /** @throws Error if there is no such user */
  readonly remove: (clerkId: string) => void;
}

/**
 * @param options.firstSequence sequence number of the first person who signs up, at least `users`
 * @param options.now epoch milliseconds
 */
export function createClerkDirectory(options: {
  seed: number;
  users: number;
  firstSequence: number;
  now: () => number;
}): ClerkDirectory {
  const population = createUserPopulation({ seed: options.seed, size: options.users });
  /** Indexes in the population of users that were changed or deleted. */
  const overridden = new Set<number>();
  /** Users that were added or changed. */
  const overrides = new Map<string, DirectoryEntry>();
  const deletedIds = new Set<string>();
  let size = options.users;
  let people = 0;
  /** `overrides` sorted by field, until they change. */
  const sorted = new Map<PageQuery["orderBy"]["field"], readonly DirectoryEntry[]>();

  const put = (user: ClerkUser) => {
    const index = population.findIndex(user.id);
    const createdAtMs = toEpochMs(user["created_at"]) ?? options.now();
    const updatedAtMs = toEpochMs(user["updated_at"]) ?? createdAtMs;
    if (index !== undefined) overridden.add(index);
    overrides.set(user.id, { user, created_at: createdAtMs, updated_at: updatedAtMs });
    sorted.clear();
  };
  const find = (clerkId: string) => {
    const changed = overrides.get(clerkId);
    if (changed || deletedIds.has(clerkId)) return changed?.user;
    const index = population.findIndex(clerkId);
    return index === undefined ? undefined : population.userAt(index);
  };
  const require = (clerkId: string) => {
    const user = find(clerkId);
    if (!user) throw new Error(`The simulated Clerk has no user ${clerkId}`);
    return user;
  };
  return {
    find,
    count: () => size,
    list: (query) => listPage({ population, overridden, overrides, sorted }, query),
    newPerson: () => createPerson(options.seed, options.firstSequence + people++, options.now()),
    create: (user) => {
      if (find(user.id) || deletedIds.has(user.id)) throw new Error(`Clerk never reuses an id: ${user.id}`);
      put(user);
      size++;
      return user;
    },
    update: (clerkId, changes) => {
      const before = require(clerkId);
      const updatedAtMs = Math.max(options.now(), (toEpochMs(before["updated_at"]) ?? 0) + 1);
      const user: ClerkUser = { ...before, updated_at: updatedAtMs, ...changes };
      put(user);
      return user;
    },
    remove: (clerkId) => {
      require(clerkId);
      const index = population.findIndex(clerkId);
      if (index !== undefined) overridden.add(index);
      overrides.delete(clerkId);
      sorted.clear();
      deletedIds.add(clerkId);
      size--;
    },
  };
}
