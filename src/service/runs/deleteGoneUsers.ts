import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { toUserDeletion } from "../../clerk/userChange.ts";
import { AppError } from "../../errors.ts";
import { toBatchItem, type BatchItem } from "../../store/users/batchItem.ts";
import { listUnseenUsers } from "../../store/runs/reconcileRows.ts";
import type { RunContext } from "./runContext.ts";
import { toRunItem } from "./runWriter.ts";

/** CONTRACT 8.7: a reconcile deletes no more than the larger of these two, and never more than half. */
const deletionsMin = 20;
const deletionsShare = 0.1;
const deletionsShareMax = 0.5;
/** As many as Clerk answers at once. */
const groupUsers = 100;
/** One comparison of all rows for so many of them. */
const unseenUsersMax = 10_000;
/** Each absent id is asked for by itself, some at a time. */
const confirmationsAtOnce = 8;
const deletionsAtOnce = 500;

/**
 * Deletes whom Clerk no longer has. An id that the full pass did not show is asked for in a group, and one absent there
 * too by itself: only Clerk's own "not found" counts. No user is deleted before all are confirmed.
 * @throws AppError `conflict` if they are too many
 */
export async function deleteGoneUsers(ctx: RunContext): Promise<void> {
  const { run, writer } = ctx;
  const { activeUsers } = writer.cursor();
  const mayGo = Math.max(deletionsMin, Math.floor(activeUsers * deletionsShare));
  // What this run deleted before it was interrupted counts.
  const deletionsMax = Math.min(mayGo, Math.floor(activeUsers * deletionsShareMax)) - run.deleted;
  const absent = await findAbsentUsers(ctx, (count) => {
    if (count <= deletionsMax) return;
    throw new AppError(
      "conflict",
      `Clerk no longer has more than ${deletionsMax} of the ${activeUsers} users who are active here, and a reconcile deletes no more. No user was deleted; check that CLERK_SECRET_KEY belongs to the right instance.`,
    );
  });
  const deletions: BatchItem[] = [];
  for (let place = 0; place < absent.length; place += confirmationsAtOnce) {
    const group = absent.slice(place, place + confirmationsAtOnce);
    const learnedAtMs = ctx.clock.nowMs();
    const answers = await Promise.all(group.map((clerkId) => ctx.clerk.getUser(clerkId)));
    await applyUsers(
      ctx,
      answers.filter((user) => user !== null),
      learnedAtMs,
    );
    group.forEach((clerkId, index) => {
      if (answers[index] === null)
        deletions.push(toBatchItem(toUserDeletion(clerkId, { source: run.kind, learnedAtMs })));
    });
  }
  for (let place = 0; place < deletions.length; place += deletionsAtOnce) {
    await writer.apply(deletions.slice(place, place + deletionsAtOnce), { lookedAt: false });
  }
}

async function findAbsentUsers(ctx: RunContext, check: (count: number) => void): Promise<string[]> {
  const absent: string[] = [];
  let afterUserId = 0;
  for (;;) {
    const unseen = await listUnseenUsers(ctx.database, { runId: ctx.run.runId, afterUserId, limit: unseenUsersMax });
    for (let place = 0; place < unseen.length; place += groupUsers) {
      const group = unseen.slice(place, place + groupUsers).map((row) => row.clerkId);
      const askedAtMs = ctx.clock.nowMs();
      const users = await ctx.clerk.findUsers(group);
      const present = new Set(users.map((user) => user.id));
      absent.push(...group.filter((clerkId) => !present.has(clerkId)));
      check(absent.length);
      // Made, or shown by Clerk, only after the pass had gone by.
      await applyUsers(ctx, users, askedAtMs);
    }
    const last = unseen.at(-1);
    if (last === undefined || unseen.length < unseenUsersMax) return absent;
    afterUserId = last.userId;
  }
}

async function applyUsers(ctx: RunContext, users: readonly ClerkUser[], learnedAtMs: number): Promise<void> {
  if (users.length > 0) await ctx.writer.apply(users.map((user) => toRunItem(user, ctx.run.kind, learnedAtMs)));
}
