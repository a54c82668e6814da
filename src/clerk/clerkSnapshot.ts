import type { ClerkApi, ClerkUser, OddElement } from "./clerkApi.ts";

/** More than one, because several may have one time and a change may become visible a little late. */
const newestUsers = 10;

/** What two requests tell of a whole instance. */
export interface ClerkSnapshot {
  readonly users: number;
  /** The element that changed last; undefined: Clerk shows none. */
  readonly newest: ClerkUser | OddElement | undefined;
  /**
   * How many users there are and which changed last. The same text again: nothing has moved. A deletion changes the
   * number; a deletion and a sign-up change the newest.
   */
  readonly text: string;
}

export async function readClerkSnapshot(clerk: Pick<ClerkApi, "countUsers" | "listUsers">): Promise<ClerkSnapshot> {
  const elements = await clerk.listUsers({ limit: newestUsers, orderBy: "-updated_at" });
  const users = await clerk.countUsers();
  const changed = elements.map((element) =>
    element.id === null ? element.shown : [element.id, element["updated_at"]],
  );
  return { users, newest: elements[0], text: JSON.stringify([users, ...changed]) };
}
