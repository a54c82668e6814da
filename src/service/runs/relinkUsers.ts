import { listLinkableUsers } from "../../store/runs/reconcileRows.ts";
import type { RunContext } from "./runContext.ts";
import { toRunItem } from "./runWriter.ts";

/** The most that Clerk answers in one request. */
const groupUsers = 100;
/** Rows per query; many, because each query reads the whole table. */
const linkableUsersMax = 10_000;

/**
 * Re-applies active users without a mentorado who can be linked now, because a duplicate was removed or a mentorado
 * was registered. They are fetched from Clerk, so that linking uses their current address.
 */
export async function relinkUsers({ clerk, clock, database, run, writer }: RunContext): Promise<void> {
  let afterUserId = 0;
  for (;;) {
    const linkable = await listLinkableUsers(database, { afterUserId, limit: linkableUsersMax });
    for (let place = 0; place < linkable.length; place += groupUsers) {
      const group = linkable.slice(place, place + groupUsers);
      const requestedAtMs = clock.nowMs();
      const users = await clerk.findUsers(group.map((row) => row.clerkId));
      await writer.apply(users.map((user) => toRunItem(user, run.kind, requestedAtMs)));
    }
    const last = linkable.at(-1);
    if (last === undefined || linkable.length < linkableUsersMax) return;
    afterUserId = last.userId;
  }
}
