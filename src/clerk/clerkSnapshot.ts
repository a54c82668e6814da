import type { ClerkApi, ClerkUser, UnreadableElement } from "./clerkApi.ts";

/** More than one, because several changes may share a time and may become visible late. */
const newestUsers = 10;

/** A cheap summary of an instance: number of users and the newest changes. */
export interface ClerkSnapshot {
  readonly users: number;
  /** The element that changed last; undefined: Clerk lists none. */
  readonly newest: ClerkUser | UnreadableElement | undefined;
  /**
   * The number of users and the versions of the newest. Equal texts: nothing has changed in between. A deletion changes
   * the number; a deletion together with a sign-up changes the newest.
   */
  readonly text: string;
}

/** Two requests, whatever the size of the instance. */
export async function readClerkSnapshot(clerk: Pick<ClerkApi, "countUsers" | "listUsers">): Promise<ClerkSnapshot> {
  const elements = await clerk.listUsers({ limit: newestUsers, orderBy: "-updated_at" });
  const users = await clerk.countUsers();
  const changed = elements.map((element) =>
    element.id === null ? element.shown : [element.id, element["updated_at"]],
  );
  return { users, newest: elements[0], text: JSON.stringify([users, ...changed]) };
}
