import { expect, test } from "bun:test";
import { copyTables } from "../support/copyOfTables.ts";
import { deletedEvent, startMs, userEvent } from "../support/events.ts";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { expectEqualToClerk, figuresOf, holdPages, openRunsTest, waitUntil, type RunsTest } from "../support/runs.ts";
import { readUsers } from "../support/tables.ts";
import { moveDatabaseClock } from "../support/testDatabase.ts";

/** A change at Clerk, with its webhook or without. */
async function change(r: RunsTest, n: number, changes: Record<string, unknown>, { isLost = false } = {}) {
  const user = pagedUser(n, { updated_at: startMs * 1.001 + n, ...changes });
  r.clerk.users.set(user.id, user);
  if (!isLost) expect((await r.t.deliver(userEvent(user), { svixId: `msg_change_${n}` })).said).toBe("applied");
  return user;
}

async function remove(r: RunsTest, n: number, { isLost = false } = {}) {
  r.clerk.users.delete(pagedId(n));
  if (!isLost) expect((await r.t.deliver(deletedEvent(pagedId(n)))).said).toBe("applied");
}

test("after a restore of an older copy one full reconcile makes the tables equal to Clerk, as if nothing was restored", async () => {
  const r = await openRunsTest(60);
  await r.run("backfill");
  await remove(r, 59);
  const restore = await copyTables(r.t.sql);

  for (const n of [100, 101]) await change(r, n, {});
  const changed = await change(r, 1, { first_name: "Changed" });
  for (const n of [2, 3]) await change(r, n, { first_name: "Changed" });
  await change(r, 4, { public_metadata: { role: "admin" } });
  await change(r, 5, { first_name: "Unheard" }, { isLost: true });
  for (const n of [10, 11]) await remove(r, n);
  await remove(r, 12, { isLost: true });
  // The address of one who is deleted moves to another, and the mentorado with it.
  await remove(r, 20);
  await change(r, 102, { email: "p00020@example.com" });
  const shortLived = pagedUser(103);
  await change(r, 103, {});
  await remove(r, 103);
  await r.run("reconcile");
  await r.t.sql`update users set name = 'Only in the tables that are lost' where clerk_id = ${pagedId(6)}`;

  await restore();
  expect(await r.t.sql`select from users where clerk_id = ${pagedId(100)} or deleted_at is not null`).toHaveLength(1);
  // Svix repeats the sign-up of a user whose tombstone is gone with the newer tables.
  expect((await r.t.deliver(userEvent(shortLived))).said).toBe("applied");

  const run = await r.run("reconcile");
  expect(figuresOf(run)).toEqual({
    status: "done",
    seen: r.clerk.users.size,
    applied: 8,
    unchanged: 50,
    deleted: 5,
    drift: 13,
  });
  await expectEqualToClerk(r);
  for (const n of [10, 11, 12, 20, 59, 103]) {
    const { state, erased } = await r.t.services.users.getErasureReport(pagedId(n));
    expect([n, state, erased]).toEqual([n, "deleted", true]);
  }
  // What Svix still repeats is of that version or older.
  const repeated = await r.t.deliver(userEvent(changed), { svixId: "msg_change_1" });
  expect(repeated.said).toBe("unchanged");
  expect(figuresOf(await r.run("reconcile"))).toMatchObject({ status: "done", unchanged: r.clerk.users.size });

  // An empty database that has learned all of it from Clerk alone has the same rows.
  const fresh = await openRunsTest(0);
  for (const [id, user] of r.clerk.users) fresh.clerk.users.set(id, user);
  await fresh.run("backfill");
  const active = (await readUsers(r.t)).filter((row) => row["deleted_at"] === null);
  expect(active).toEqual(await readUsers(fresh.t));
}, 30_000);

/** A copy with a reconcile under way; a user whom that run has behind it changed since, and one was deleted. */
async function restoreMidway(passedMs: number): Promise<{ r: RunsTest; runId: string }> {
  const r = await openRunsTest(1_200);
  await r.run("backfill");
  const held = holdPages(r);
  const { runId } = await r.runs.start({ kind: "reconcile" });
  await held.reached;
  await waitUntil(async () => (await r.runs.get(runId)).seen === 500, 5_000);
  const restore = await copyTables(r.t.sql);
  r.clerk.onList = () => undefined;
  held.letGo();
  await r.runs.waitFor(runId);
  await change(r, 1, { first_name: "Changed" });
  await remove(r, 2);
  await restore();
  await moveDatabaseClock(r.t.db, passedMs);
  return { r, runId };
}

test("a reconcile that was under way in the copy is ended by a dry run, and the next one compares every user", async () => {
  const { r, runId } = await restoreMidway(60_000);
  expect(figuresOf(await r.run("reconcile", { dryRun: true }))).toMatchObject({ status: "done", drift: 2 });
  expect(await r.runs.get(runId)).toMatchObject({ status: "failed" });
  expect(figuresOf(await r.run("reconcile"))).toMatchObject({ status: "done", applied: 1, deleted: 1, drift: 2 });
  await expectEqualToClerk(r);
}, 30_000);

test("a reconcile of the copy that was interrupted more than 15 minutes ago is not resumed: a new one starts", async () => {
  const { r, runId } = await restoreMidway(16 * 60_000);
  expect(figuresOf(await r.run("reconcile"))).toMatchObject({ status: "done", applied: 1, deleted: 1, drift: 2 });
  expect(await r.runs.get(runId)).toMatchObject({ status: "failed" });
  await expectEqualToClerk(r);
}, 30_000);

test("a resumed reconcile of the copy compares again the users changed since it began, and the next run deletes those who are gone", async () => {
  const { r, runId } = await restoreMidway(60_000);
  const resumed = await r.run("reconcile");
  expect({ runId: resumed.runId, ...figuresOf(resumed) }).toMatchObject({
    runId,
    status: "done",
    applied: 1,
    drift: 1,
  });
  await r.runs.startScheduled({ everyMs: 1, firstDueInMs: 0 });
  await r.runs.whenIdle();
  await expectEqualToClerk(r);
}, 30_000);
