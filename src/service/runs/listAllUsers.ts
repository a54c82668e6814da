import type { ClerkApi, ClerkUser, ClerkUserPageQuery, OddElement } from "../../clerk/clerkApi.ts";
import { toEpochMs } from "../../clerk/toEpochMs.ts";
import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { PassPosition } from "../../domain/runCursor.ts";

/** Clerk's own limit. */
const pageUsersMax = 500;
/** Users that may be deleted between two pages without any other being looked at twice. */
const trailUsers = 20;
/** However many sign up in full pages: a pass that has seen twice as many users as there were is over. */
const usersFactorMax = 2;
/** Of users made at one moment some may become visible a little later than others. */
const fallbackOverlapMs = 1_000;

export interface UserPage {
  /** Users not looked at before, in the order of their creation. */
  readonly users: readonly ClerkUser[];
  /** Elements not seen before that are no readable users. */
  readonly leftOut: readonly string[];
  readonly askedAtMs: number;
  /** Where the pass stands when the first `count` of them are written. */
  readonly positionAfter: (count: number) => PassPosition;
}

/**
 * Every user of Clerk in the order of their creation, one request a page. A page that is short or empty ends nothing:
 * the end is where a page that begins before the last user shows that user and none after. So neither a deleted
 * cursor, nor a page cut short, nor one empty by mistake leaves a user out. Once as many users were looked at as there
 * were when the run began, such a page is the end also if it shows users after: they have signed up since.
 * @throws AppError `clerk_unavailable` if Clerk's lists contradict each other
 */
export async function* listAllUsers(
  clerk: Pick<ClerkApi, "listUsers">,
  from: PassPosition,
  usersAtStart: number,
  clock: Clock,
): AsyncGenerator<UserPage, void> {
  let position = from;
  let known = new Set(position.trail);
  // How many users of the trail the next page shows again.
  let back = 0;
  const odd = new Set<string>();
  for (;;) {
    const askedAtMs = clock.nowMs();
    const anchor = findAnchor(position, back);
    const elements = await listAfter(clerk, anchor, position);
    const users = elements?.filter((element) => element.id !== null) ?? null;
    if (elements === null || users === null || (users.length === 0 && anchor.startingAfter !== undefined)) {
      back = back === 0 ? 1 : back * 2;
      continue;
    }
    const fresh = users.filter((user) => !known.has(user.id));
    const leftOut = findOddElements(elements, odd);
    const isFull = elements.length === pageUsersMax;
    if (fresh.length === 0 && isFull && users.length < pageUsersMax) {
      throw new AppError("clerk_unavailable", "Clerk lists too many elements that are no users.");
    }
    if (fresh.length === 0 && !isFull) {
      if (leftOut.length > 0) yield { users: [], leftOut, askedAtMs, positionAfter: () => position };
      if (users.length > 0 || position.firstId === null || (await hasUsers(clerk))) return;
      throw new AppError("clerk_unavailable", "Clerk listed users before and now lists none.");
    }
    const reached = position;
    const isLast =
      reached.users >= usersAtStart * usersFactorMax + pageUsersMax ||
      (reached.users >= usersAtStart && back > 0 && !isFull);
    position = advance(reached, fresh.length > 0 ? fresh : users);
    known = new Set([...position.trail, ...users.map((user) => user.id)]);
    back = isFull ? 0 : 1;
    if (fresh.length > 0) {
      yield { users: fresh, leftOut, askedAtMs, positionAfter: (count) => advance(reached, fresh.slice(0, count)) };
    }
    if (isLast) return;
  }
}

/** What is shown of elements that are no users and not among `known`: pages overlap, and show one again. */
export function findOddElements(elements: readonly (ClerkUser | OddElement)[], known: Set<string>): string[] {
  const shown = elements.flatMap((element) => (element.id === null ? [element.shown] : []));
  const found = [...new Set(shown)].filter((name) => !known.has(name));
  for (const name of found) known.add(name);
  return found;
}

type Anchor = Pick<ClerkUserPageQuery, "startingAfter" | "createdAtAfterMs">;

/** Where a page begins that shows the last `back` users of the trail again; before all of them if there are not so many. */
function findAnchor({ trail, createdAtMs }: PassPosition, back: number): Anchor {
  const startingAfter = trail.at(-1 - back);
  if (startingAfter !== undefined) return { startingAfter };
  if (trail.length < trailUsers || createdAtMs === null) return {};
  return { createdAtAfterMs: createdAtMs - fallbackOverlapMs };
}

/** Null: Clerk does not know the user to start after, or does as if it had not been asked to. */
async function listAfter(
  clerk: Pick<ClerkApi, "listUsers">,
  anchor: Anchor,
  { firstId }: PassPosition,
): Promise<readonly (ClerkUser | OddElement)[] | null> {
  try {
    const users = await clerk.listUsers({ limit: pageUsersMax, orderBy: "+created_at", ...anchor });
    const { createdAtAfterMs = 0 } = anchor;
    if (
      users.some((user) => user.id !== null && (toEpochMs(user["created_at"]) ?? createdAtAfterMs) < createdAtAfterMs)
    ) {
      throw new AppError("clerk_unavailable", "Clerk listed users that were not asked for.");
    }
    const ignored = anchor.startingAfter !== undefined && users.some((user) => user.id === firstId);
    return ignored ? null : users;
  } catch (error) {
    if (anchor.startingAfter !== undefined && error instanceof AppError && error.code === "not_found") return null;
    throw error;
  }
}

async function hasUsers(clerk: Pick<ClerkApi, "listUsers">): Promise<boolean> {
  return (await clerk.listUsers({ limit: 1, orderBy: "+created_at" })).length > 0;
}

function advance(position: PassPosition, users: readonly ClerkUser[]): PassPosition {
  const last = users.at(-1);
  if (last === undefined) return position;
  return {
    users: position.users + users.length,
    firstId: position.firstId ?? users[0]?.id ?? null,
    trail: [...position.trail, ...users.map((user) => user.id)].slice(-trailUsers),
    createdAtMs: toEpochMs(last["created_at"]) ?? position.createdAtMs,
  };
}
