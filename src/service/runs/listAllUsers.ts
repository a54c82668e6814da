import type { ClerkApi, ClerkUser, ClerkUserPageQuery, UnreadableElement } from "../../clerk/clerkApi.ts";
import { toEpochMs } from "../../clerk/toEpochMs.ts";
import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { PassPosition } from "../../domain/runCursor.ts";

/** Clerk's limit. */
const pageUsersMax = 500;
/** This many users may be deleted between two pages before the listing falls back to `created_at_after`. */
const trailUsers = 20;
/** Bounds the listing while users sign up faster than they are listed: at most this many times the users at its start. */
const usersFactorMax = 2;
/** Overlap of the fallback: users created at the same time may become visible at different times. */
const fallbackOverlapMs = 1_000;

/** One page of the listing. */
export interface UserPage {
  /** Users not in an earlier page, in order of creation. */
  readonly users: readonly ClerkUser[];
  /** Unreadable elements not in an earlier page. */
  readonly leftOut: readonly string[];
  /** Epoch milliseconds before the request. */
  readonly requestedAtMs: number;
  /** The position once the first `count` users are written. */
  readonly positionAfter: (count: number) => PassPosition;
}

/**
 * Lists every user of Clerk in order of creation, one request per page. A short or empty page does not end the list: the
 * end is a page that starts before the last known user and has no user after it. So no user is skipped if the cursor
 * user is deleted or a page is short or empty by mistake. Once `usersAtStart` users are listed, such a page is the end
 * even if it has later users: they signed up after the run began.
 * @throws AppError `clerk_unavailable` if Clerk's pages are inconsistent
 */
export async function* listAllUsers(
  clerk: Pick<ClerkApi, "listUsers">,
  from: PassPosition,
  usersAtStart: number,
  clock: Clock,
): AsyncGenerator<UserPage, void> {
  let position = from;
  let known = new Set(position.trail);
  // How many users of the trail the next page repeats.
  let back = 0;
  const knownUnreadable = new Set<string>();
  for (;;) {
    const requestedAtMs = clock.nowMs();
    const anchor = findAnchor(position, back);
    const elements = await listAfter(clerk, anchor, position);
    const users = elements?.filter((element) => element.id !== null) ?? null;
    if (elements === null || users === null || (users.length === 0 && anchor.startingAfter !== undefined)) {
      back = back === 0 ? 1 : back * 2;
      continue;
    }
    const fresh = users.filter((user) => !known.has(user.id));
    const leftOut = takeNewUnreadable(elements, knownUnreadable);
    const isFull = elements.length === pageUsersMax;
    if (fresh.length === 0 && isFull && users.length < pageUsersMax) {
      throw new AppError("clerk_unavailable", "A full page of Clerk's list contains no readable new user.");
    }
    if (fresh.length === 0 && !isFull) {
      if (leftOut.length > 0) yield { users: [], leftOut, requestedAtMs, positionAfter: () => position };
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
      yield { users: fresh, leftOut, requestedAtMs, positionAfter: (count) => advance(reached, fresh.slice(0, count)) };
    }
    if (isLast) return;
  }
}

/** Labels of the unreadable elements that are not in `known`, and adds them to it: pages overlap and repeat elements. */
export function takeNewUnreadable(elements: readonly (ClerkUser | UnreadableElement)[], known: Set<string>): string[] {
  const shown = elements.flatMap((element) => (element.id === null ? [element.shown] : []));
  const found = [...new Set(shown)].filter((name) => !known.has(name));
  for (const name of found) known.add(name);
  return found;
}

type Anchor = Pick<ClerkUserPageQuery, "startingAfter" | "createdAtAfterMs">;

/** Start of a page that repeats the last `back` users of the trail. */
function findAnchor({ trail, createdAtMs }: PassPosition, back: number): Anchor {
  const startingAfter = trail.at(-1 - back);
  if (startingAfter !== undefined) return { startingAfter };
  if (trail.length < trailUsers || createdAtMs === null) return {};
  return { createdAtAfterMs: createdAtMs - fallbackOverlapMs };
}

/** Null: the user of `startingAfter` no longer exists, or Clerk ignored the cursor. */
async function listAfter(
  clerk: Pick<ClerkApi, "listUsers">,
  anchor: Anchor,
  { firstId }: PassPosition,
): Promise<readonly (ClerkUser | UnreadableElement)[] | null> {
  try {
    const users = await clerk.listUsers({ limit: pageUsersMax, orderBy: "+created_at", ...anchor });
    const { createdAtAfterMs = 0 } = anchor;
    if (
      users.some((user) => user.id !== null && (toEpochMs(user["created_at"]) ?? createdAtAfterMs) < createdAtAfterMs)
    ) {
      throw new AppError("clerk_unavailable", "Clerk returned users that were not requested.");
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
