import { listLinkableUsers } from "../../store/runs/reconcileRows.ts";
import type { RunContext } from "./runContext.ts";
import { toRunItem } from "./runWriter.ts";

/** As many as Clerk answers at once. */
const groupUsers = 100;
/** One comparison of all rows for so many of them. */
const linkableUsersMax = 10_000;

/**
 * Looks again at active users without a mentorado who could have one by now, because a duplicate was removed or a
 * mentorado registered. They are asked for at Clerk, so that it is what Clerk says today that is linked.
 */
export async function lookAgainForMentorados({ clerk, clock, database, run, writer }: RunContext): Promise<void> {
  let afterUserId = 0;
  for (;;) {
    const linkable = await listLinkableUsers(database, { afterUserId, limit: linkableUsersMax });
    for (let place = 0; place < linkable.length; place += groupUsers) {
      const group = linkable.slice(place, place + groupUsers);
      const askedAtMs = clock.nowMs();
      const users = await clerk.findUsers(group.map((row) => row.clerkId));
      await writer.apply(users.map((user) => toRunItem(user, run.kind, askedAtMs)));
    }
    const last = linkable.at(-1);
    if (last === undefined || linkable.length < linkableUsersMax) return;
    afterUserId = last.userId;
  }
}
