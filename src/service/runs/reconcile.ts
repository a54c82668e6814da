import { readClerkSnapshot, type ClerkSnapshot } from "../../clerk/clerkSnapshot.ts";
import { toEpochMs } from "../../clerk/toEpochMs.ts";
import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import { countActiveUsers, findWatermarkMs } from "../../store/runs/reconcileRows.ts";
import { widenRun } from "../../store/runs/runLease.ts";
import { passOverUsers, requireNoUsers } from "./backfill.ts";
import { deleteGoneUsers } from "./deleteGoneUsers.ts";
import { lookAgainForMentorados } from "./lookAgainForMentorados.ts";
import { compareChangedUsers } from "./compareChangedUsers.ts";
import type { RunContext } from "./runContext.ts";

/** Makes the tables equal to what Clerk says, and counts what was not. */
export async function reconcile(ctx: RunContext): Promise<void> {
  return ctx.run.full ? reconcileEveryone(ctx) : reconcileChanged(ctx);
}

async function reconcileEveryone(ctx: RunContext): Promise<void> {
  const { clerk, database, run, writer } = ctx;
  const resumed = run.cursor !== null && run.cursor.phase === "users";
  if (run.cursor === null) {
    const activeUsers = await countActiveUsers(database);
    const snapshot = await readClerkSnapshot(clerk);
    if (snapshot.newest === undefined) await requireEmptyInstance(ctx, activeUsers);
    await writer.save({
      activeUsers,
      usersAtClerk: snapshot.users,
      watermarkMs: toWatermarkMs(snapshot, ctx.clock),
      snapshot: snapshot.text,
    });
  }
  if (writer.cursor().phase === "users") {
    await passOverUsers(ctx);
    if (writer.cursor().position.firstId === null) await requireEmptyInstance(ctx, writer.cursor().activeUsers);
    // What was compared before the interruption may have changed during it.
    if (resumed) await compareChangedUsers(ctx, writer.cursor().watermarkMs, { lookedAt: false });
    await writer.save({ phase: "deletions", resumable: false });
  }
  await deleteGoneUsers(ctx);
}

async function reconcileChanged(ctx: RunContext): Promise<void> {
  const { clerk, database, writer, log } = ctx;
  const sinceMs = await findWatermarkMs(database);
  const startedAtMs = ctx.clock.nowMs();
  const snapshot = await readClerkSnapshot(clerk);
  const watermarkMs = toWatermarkMs(snapshot, ctx.clock) ?? sinceMs;
  await writer.save({ resumable: false, watermarkMs, snapshot: snapshot.text });
  if (snapshot.newest === undefined) return requireEmptyInstance(ctx, await countActiveUsers(database));
  await compareChangedUsers(ctx, sinceMs);
  if ((await countActiveUsers(database, { createdUntilMs: startedAtMs })) > snapshot.users) {
    log.info("[Runs] More users are active here than Clerk has: every user is compared");
    return compareEveryUser(ctx);
  }
  await lookAgainForMentorados(ctx);
}

/** Clerk does not list deletions: who is gone is found by a look at all others. Users looked at before are counted anew. */
async function compareEveryUser(ctx: RunContext): Promise<void> {
  await widenRun(ctx.database, { runId: ctx.run.runId, owner: ctx.owner });
  await ctx.writer.save({ leftOut: 0, leftOutNames: [], refused: 0, refusedIds: [] });
  return reconcileEveryone({ ...ctx, run: { ...ctx.run, full: true, cursor: null } });
}

/**
 * Epoch milliseconds by Clerk's own clock: a change made while this run goes on is at or after it. One user from the
 * future must not hide other users' changes until then.
 */
function toWatermarkMs({ newest }: ClerkSnapshot, clock: Clock): number | null {
  const updatedAtMs = newest === undefined || newest.id === null ? null : toEpochMs(newest["updated_at"]);
  return updatedAtMs && Math.min(updatedAtMs, clock.nowMs());
}

/** An empty list is believed only where there are no active users. @throws AppError */
async function requireEmptyInstance(ctx: RunContext, activeUsers: number): Promise<void> {
  if (activeUsers > 0) {
    throw new AppError(
      "clerk_unavailable",
      `Clerk shows no users at all, and ${activeUsers} are active here. No user was deleted; check that CLERK_SECRET_KEY belongs to the right instance.`,
    );
  }
  await requireNoUsers(ctx);
}
