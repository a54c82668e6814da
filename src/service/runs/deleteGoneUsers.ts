import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { toUserDeletion } from "../../clerk/userChange.ts";
import { AppError } from "../../errors.ts";
import { toBatchItem, type BatchItem } from "../../store/users/batchItem.ts";
import { listUnseenUsers } from "../../store/runs/reconcileRows.ts";
import type { RunContext } from "./runContext.ts";
import { toRunItem } from "./runWriter.ts";

/** A reconcile deletes at most the larger of 20 and 10 % of the active users, and never more than half of them. */
const deletionsMin = 20;
const deletionsShare = 0.1;
const deletionsShareMax = 0.5;
/** The most that Clerk answers in one request. */
const groupUsers = 100;
/** Rows per query; many, because each query reads the whole table. */
const unseenUsersMax = 10_000;
/** Concurrent requests, one per absent id. */
const confirmationsAtOnce = 8;
const deletionsAtOnce = 500;

/**
 * Deletes the users that Clerk no longer has. An id that the full list lacks is requested in a group; if it is absent
 * there too, by itself: only Clerk's own 404 counts. All deletions are confirmed before the first one is applied.
 * @throws AppError `conflict` if there are more than a reconcile may delete
 */
export async function deleteGoneUsers(ctx: RunContext): Promise<void> {
  const { run, writer } = ctx;
  const { activeUsers } = writer.cursor();
  const shareMax = Math.max(deletionsMin, Math.floor(activeUsers * deletionsShare));
  // Deletions from before an interruption of this run count too.
  const deletionsMax = Math.min(shareMax, Math.floor(activeUsers * deletionsShareMax)) - run.deleted;
  const absent = await findAbsentUsers(ctx, (count) => {
    if (count <= deletionsMax) return;
    throw new AppError(
      "conflict",
      `Clerk lacks more than ${deletionsMax} of the ${activeUsers} active users, which is the most a reconcile may delete. No user was deleted; check that CLERK_SECRET_KEY belongs to the right instance.`,
    );
  });
  const deletions: BatchItem[] = [];
  for (let place = 0; place < absent.length; place += confirmationsAtOnce) {
    const group = absent.slice(place, place + confirmationsAtOnce);
    const requestedAtMs = ctx.clock.nowMs();
    const answers = await Promise.all(group.map((clerkId) => ctx.clerk.getUser(clerkId)));
    await applyUsers(
      ctx,
      answers.filter((user) => user !== null),
      requestedAtMs,
    );
    group.forEach((clerkId, index) => {
      if (answers[index] === null)
        deletions.push(toBatchItem(toUserDeletion(clerkId, { source: run.kind, requestedAtMs })));
    });
  }
  for (let place = 0; place < deletions.length; place += deletionsAtOnce) {
    await writer.apply(deletions.slice(place, place + deletionsAtOnce), { countsAsSeen: false });
  }
}

async function findAbsentUsers(ctx: RunContext, check: (count: number) => void): Promise<string[]> {
  const absent: string[] = [];
  let afterUserId = 0;
  for (;;) {
    const unseen = await listUnseenUsers(ctx.database, { runId: ctx.run.runId, afterUserId, limit: unseenUsersMax });
    for (let place = 0; place < unseen.length; place += groupUsers) {
      const group = unseen.slice(place, place + groupUsers).map((row) => row.clerkId);
      const requestedAtMs = ctx.clock.nowMs();
      const users = await ctx.clerk.findUsers(group);
      const present = new Set(users.map((user) => user.id));
      absent.push(...group.filter((clerkId) => !present.has(clerkId)));
      check(absent.length);
      // Users who signed up, or became visible, after the full list was read.
      await applyUsers(ctx, users, requestedAtMs);
    }
    const last = unseen.at(-1);
    if (last === undefined || unseen.length < unseenUsersMax) return absent;
    afterUserId = last.userId;
  }
}

async function applyUsers(ctx: RunContext, users: readonly ClerkUser[], requestedAtMs: number): Promise<void> {
  if (users.length > 0) await ctx.writer.apply(users.map((user) => toRunItem(user, ctx.run.kind, requestedAtMs)));
}
