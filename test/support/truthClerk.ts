import { AppError } from "../../src/errors.ts";
import type { ClerkApi, ClerkUser } from "../../src/clerk/clerkApi.ts";
import { factInstanceId, toClerkUser, type Snapshot } from "./clerkFacts.ts";

/** A Backend API with the state at the end of a history. */
export function createTruthClerk(): { api: ClerkApi; setUsers: (truth: readonly Snapshot[]) => void } {
  let truth: readonly Snapshot[] = [];
  const all = (): ClerkUser[] => truth.map((snapshot) => toClerkUser(snapshot, "api"));
  const by = (column: string) => (a: ClerkUser, b: ClerkUser) =>
    Number(a[column]) - Number(b[column]) || (a.id < b.id ? -1 : 1);
  const api: ClerkApi = {
    getUser: (clerkId) => Promise.resolve(all().find((user) => user.id === clerkId) ?? null),
    findUsers: (clerkIds) => Promise.resolve(all().filter((user) => clerkIds.includes(user.id))),
    findInstanceId: () => Promise.resolve(factInstanceId),
    countUsers: () => Promise.resolve(truth.length),
    listUsers: async ({ limit, orderBy, startingAfter, createdAtAfterMs = 0, offset = 0 }) => {
      const sorted =
        orderBy === "+created_at" ? all().sort(by("created_at")) : all().sort(by("updated_at")).toReversed();
      const after = startingAfter === undefined ? -1 : sorted.findIndex((user) => user.id === startingAfter);
      if (startingAfter !== undefined && after < 0) throw new AppError("not_found", "No such cursor.");
      const rest = sorted.slice(after + 1).filter((user) => Number(user["created_at"]) > createdAtAfterMs);
      return rest.slice(offset, offset + limit);
    },
  };
  return { api, setUsers: (users) => (truth = users) };
}
