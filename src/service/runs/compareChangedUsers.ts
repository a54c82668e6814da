import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { toEpochMs } from "../../clerk/toEpochMs.ts";
import { AppError } from "../../errors.ts";
import { findOddElements } from "./listAllUsers.ts";
import type { RunContext } from "./runContext.ts";
import { toRunItem } from "./runWriter.ts";

/** Clerk's own limit. */
const pageUsersMax = 500;
/** Users that each page shows again, so that no user falls between two pages when others are deleted meanwhile. */
const overlapUsers = 50;
/** Changes may become visible a little out of the order of their times. */
const overlapMs = 10 * 60_000;
/** Twenty times fifty deletions between two requests are no chance. */
const stepsBackMax = 20;

/**
 * Applies what changed at Clerk since `sinceMs` (epoch milliseconds; null: ever), newest first. The order moves while
 * it is read: a change brings its user to the front, which is where the next run begins.
 */
export async function compareChangedUsers(
  ctx: RunContext,
  sinceMs: number | null,
  options: { lookedAt?: boolean } = {},
): Promise<void> {
  const { clerk, clock, run, writer } = ctx;
  const stopsAtMs = sinceMs === null ? 0 : sinceMs - overlapMs;
  let shown = new Set<string>();
  const odd = new Set<string>();
  let stepsBack = 0;
  let shownAgain = 0;
  for (let offset = 0; ;) {
    const askedAtMs = clock.nowMs();
    const elements = await clerk.listUsers({ limit: pageUsersMax, orderBy: "-updated_at", offset });
    const users = elements.filter((element) => element.id !== null);
    const leftOut = findOddElements(elements, odd);
    if (leftOut.length > 0) await writer.leaveOut(leftOut);
    if (offset === 0 ? elements.length === 0 : !users.some((user) => shown.has(user.id))) {
      // So many were deleted meanwhile that some may have slipped past: from further up.
      offset = Math.max(0, offset - (pageUsersMax - overlapUsers));
      stepsBack += 1;
      if (stepsBack > stepsBackMax) throw new AppError("clerk_unavailable", "Clerk's lists contradict each other.");
      continue;
    }
    const fresh = users.filter((user) => !shown.has(user.id) && updatedAtMs(user) >= stopsAtMs);
    await writer.apply(
      fresh.map((user) => toRunItem(user, run.kind, askedAtMs)),
      options,
    );
    const last = users.at(-1);
    // The list ends here, and changes made meanwhile only moved down to this page what the one before had shown.
    if (fresh.length === 0 && elements.length < pageUsersMax) return;
    shownAgain = fresh.length === 0 ? shownAgain + 1 : 0;
    if (shownAgain > stepsBackMax) {
      throw new AppError("clerk_unavailable", "Clerk's list changes faster than it can be read.");
    }
    if (!last || updatedAtMs(last) < stopsAtMs || elements.length <= overlapUsers) return;
    shown = new Set(users.map((user) => user.id));
    offset += elements.length - overlapUsers;
  }
}

function updatedAtMs(user: ClerkUser): number {
  return toEpochMs(user["updated_at"]) ?? Number.POSITIVE_INFINITY;
}
