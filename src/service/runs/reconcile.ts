import { readClerkSnapshot, type ClerkSnapshot } from "../../clerk/clerkSnapshot.ts";
import { toEpochMs } from "../../clerk/toEpochMs.ts";
import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import { countActiveUsers, findWatermarkMs } from "../../store/runs/reconcileRows.ts";
import { widenRun } from "../../store/runs/runLease.ts";
import { applyAllUsers, requireNoUsers } from "./backfill.ts";
import { deleteGoneUsers } from "./deleteGoneUsers.ts";
import { relinkUsers } from "./relinkUsers.ts";
import { compareChangedUsers } from "./compareChangedUsers.ts";
import type { RunContext } from "./runContext.ts";

/** Makes the tables equal to Clerk's state and counts the differences (drift). */
export async function reconcile(ctx: RunContext): Promise<void> {
  return ctx.run.full ? reconcileFully(ctx) : reconcileIncrementally(ctx);
}

async function reconcileFully(ctx: RunContext): Promise<void> {
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
    await applyAllUsers(ctx);
    if (writer.cursor().position.firstId === null) await requireEmptyInstance(ctx, writer.cursor().activeUsers);
    // Users compared before the interruption may have changed since.
    if (resumed) await compareChangedUsers(ctx, writer.cursor().watermarkMs, { countsAsSeen: false });
    await writer.save({ phase: "deletions", resumable: false });
  }
  await deleteGoneUsers(ctx);
}

async function reconcileIncrementally(ctx: RunContext): Promise<void> {
  const { clerk, database, writer, log } = ctx;
  const sinceMs = await findWatermarkMs(database);
  const startedAtMs = ctx.clock.nowMs();
  const snapshot = await readClerkSnapshot(clerk);
  const watermarkMs = toWatermarkMs(snapshot, ctx.clock) ?? sinceMs;
  await writer.save({ resumable: false, watermarkMs, snapshot: snapshot.text });
  if (snapshot.newest === undefined) return requireEmptyInstance(ctx, await countActiveUsers(database));
  await compareChangedUsers(ctx, sinceMs);
  if ((await countActiveUsers(database, { createdUntilMs: startedAtMs })) > snapshot.users) {
    log.info("[Runs] The database has more active users than Clerk; the run becomes a full reconcile");
    return becomeFull(ctx);
  }
  await relinkUsers(ctx);
}

/** Clerk lists no deletions, so only a full reconcile finds them. The run's counts start again from zero. */
async function becomeFull(ctx: RunContext): Promise<void> {
  await widenRun(ctx.database, { runId: ctx.run.runId, owner: ctx.owner });
  await ctx.writer.save({ leftOut: 0, leftOutNames: [], refused: 0, refusedIds: [] });
  return reconcileFully({ ...ctx, run: { ...ctx.run, full: true, cursor: null } });
}

/**
 * The watermark by Clerk's clock, epoch milliseconds: changes made during this run are at or after it. It is never
 * later than now, so that a user whose `updated_at` is in the future does not hide the changes of other users.
 */
function toWatermarkMs({ newest }: ClerkSnapshot, clock: Clock): number | null {
  const updatedAtMs = newest === undefined || newest.id === null ? null : toEpochMs(newest["updated_at"]);
  return updatedAtMs && Math.min(updatedAtMs, clock.nowMs());
}

/** @throws AppError `clerk_unavailable` if Clerk lists no users although there are active users, or although it counts some */
async function requireEmptyInstance(ctx: RunContext, activeUsers: number): Promise<void> {
  if (activeUsers > 0) {
    throw new AppError(
      "clerk_unavailable",
      `Clerk lists no users, but the database has ${activeUsers} active users. No user was deleted; check that CLERK_SECRET_KEY belongs to the right instance.`,
    );
  }
  await requireNoUsers(ctx);
}
