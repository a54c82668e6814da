import type { ClerkApi, ClerkUser, ClerkUserPageQuery } from "../../src/clerk/clerkApi.ts";
import { AppError } from "../../src/errors.ts";
import { clerkUser, startMs } from "./events.ts";

/** A Clerk in memory whose every answer a test may delay, refuse, change or use to change a user. */
export interface PagedClerk {
  readonly api: ClerkApi;
  readonly users: Map<string, ClerkUser>;
  /** What the instance is called, as the events of a test have it; null: Clerk names none. */
  instanceId: string | null;
  /** What was asked, such as `list +created_at user_7`, `find 3`, `get user_7`, `count`. */
  readonly asked: string[];
  /** Before each page is answered; what it answers stands in the place of the page. */
  onList: (
    query: ClerkUserPageQuery,
    nth: number,
  ) => Promise<readonly ClerkUser[] | void> | readonly ClerkUser[] | void;
  /** Before any other answer. */
  onOther: (what: string) => Promise<void> | void;
}

/** `user_P00001`, … */
export const pagedId = (n: number): string => `user_P${String(n).padStart(5, "0")}`;

/** Users made a second apart; `updated_at` goes with it. */
export function pagedUser(n: number, changes: Readonly<Record<string, unknown>> = {}): ClerkUser {
  const created_at = startMs + n * 1_000;
  return clerkUser(pagedId(n), { created_at, updated_at: created_at, first_name: `N${n}`, ...changes });
}

export function createPagedClerk(count: number): PagedClerk {
  const users = new Map(Array.from({ length: count }, (_, n) => [pagedId(n), pagedUser(n)]));
  const asked: string[] = [];
  let lists = 0;
  const by = (field: string) => (a: ClerkUser, b: ClerkUser) =>
    Number(a[field]) - Number(b[field]) || (a.id < b.id ? -1 : 1);

  function list({ limit, orderBy, startingAfter, createdAtAfterMs = 0, offset = 0 }: ClerkUserPageQuery): ClerkUser[] {
    if (startingAfter !== undefined && !users.has(startingAfter)) throw new AppError("not_found", "No such cursor.");
    const sorted = [...users.values()].sort(by(orderBy.slice(1)));
    if (orderBy.startsWith("-")) sorted.reverse();
    const after = sorted.findIndex((user) => user.id === startingAfter);
    const rest = sorted.slice(after + 1).filter((user) => Number(user["created_at"]) > createdAtAfterMs);
    return rest.slice(offset, offset + limit);
  }

  const clerk: PagedClerk = {
    users,
    asked,
    instanceId: "ins_1",
    onList: () => undefined,
    onOther: () => undefined,
    api: {
      listUsers: async (query, { signal } = {}) => {
        const from = query.startingAfter ?? query.createdAtAfterMs ?? query.offset ?? "";
        asked.push(`list ${query.orderBy} ${from}`.trim());
        // As a real request is, one that is held is given up when its run is stopped.
        return (await Promise.race([clerk.onList(query, lists++), rejectOnAbort(signal)])) ?? list(query);
      },
      getUser: async (clerkId) => {
        asked.push(`get ${clerkId}`);
        await clerk.onOther(`get ${clerkId}`);
        return users.get(clerkId) ?? null;
      },
      findUsers: async (clerkIds) => {
        asked.push(`find ${clerkIds.length}`);
        await clerk.onOther("find");
        return clerkIds.flatMap((clerkId) => users.get(clerkId) ?? []);
      },
      findInstanceId: () => Promise.resolve(clerk.instanceId),
      countUsers: async ({ signal } = {}) => {
        // Only asked whether there is a key.
        if (signal?.aborted) return users.size;
        asked.push("count");
        await clerk.onOther("count");
        return users.size;
      },
    },
  };
  return clerk;
}

function rejectOnAbort(signal: AbortSignal | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(signal?.reason);
  if (signal?.aborted) giveUp();
  else signal?.addEventListener("abort", giveUp, { once: true });
  return promise;
}
