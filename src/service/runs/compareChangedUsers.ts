import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { toEpochMs } from "../../clerk/toEpochMs.ts";
import { AppError } from "../../errors.ts";
import { takeNewUnreadable } from "./listAllUsers.ts";
import type { RunContext } from "./runContext.ts";
import { toRunItem } from "./runWriter.ts";

/** Clerk's limit. */
const pageUsersMax = 500;
/** Overlap of consecutive pages, so that a deletion between two requests makes no user fall between two pages. */
const overlapUsers = 50;
/** Overlap with the last run: changes may become visible out of the order of their times. */
const overlapMs = 10 * 60_000;
/** After more steps back the list counts as inconsistent: 20 times 50 deletions between two requests do not happen. */
const stepsBackMax = 20;

/**
 * Applies the users that changed at Clerk since `sinceMs` (epoch milliseconds; null: all users), newest first. A user
 * who changes while the list is read moves to its front and is read by the next run.
 */
export async function compareChangedUsers(
  ctx: RunContext,
  sinceMs: number | null,
  options: { countsAsSeen?: boolean } = {},
): Promise<void> {
  const { clerk, clock, run, writer } = ctx;
  const stopsAtMs = sinceMs === null ? 0 : sinceMs - overlapMs;
  let shown = new Set<string>();
  const knownUnreadable = new Set<string>();
  let stepsBack = 0;
  let repeatedPages = 0;
  for (let offset = 0; ;) {
    const requestedAtMs = clock.nowMs();
    const elements = await clerk.listUsers({ limit: pageUsersMax, orderBy: "-updated_at", offset });
    const users = elements.filter((element) => element.id !== null);
    const leftOut = takeNewUnreadable(elements, knownUnreadable);
    if (leftOut.length > 0) await writer.leaveOut(leftOut);
    if (offset === 0 ? elements.length === 0 : !users.some((user) => shown.has(user.id))) {
      // No overlap with the page before: more users were deleted than the overlap covers. Steps back one page.
      offset = Math.max(0, offset - (pageUsersMax - overlapUsers));
      stepsBack += 1;
      if (stepsBack > stepsBackMax) throw new AppError("clerk_unavailable", "Clerk's lists contradict each other.");
      continue;
    }
    const fresh = users.filter((user) => !shown.has(user.id) && updatedAtMs(user) >= stopsAtMs);
    await writer.apply(
      fresh.map((user) => toRunItem(user, run.kind, requestedAtMs)),
      options,
    );
    const last = users.at(-1);
    // End of the list: this page repeats users of the page before, moved down by newer changes.
    if (fresh.length === 0 && elements.length < pageUsersMax) return;
    repeatedPages = fresh.length === 0 ? repeatedPages + 1 : 0;
    if (repeatedPages > stepsBackMax) {
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
