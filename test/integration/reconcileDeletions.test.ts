import { expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { startMs, userEvent } from "../support/events.ts";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { expectEqualToClerk, figuresOf, openRunsTest, type RunsTest } from "../support/runs.ts";

test("a user who signs up during the listing is not deleted, nor one whom a list omits", async () => {
  const r = await openRunsTest(30);
  await r.run("backfill");
  r.clerk.onList = async (query, nth) => {
    if (query.orderBy === "-updated_at" || nth < 4) return undefined;
    // Behind the pass, where a clock that is off would put them.
    const early = pagedUser(9_000, { created_at: startMs - 5_000 });
    r.clerk.users.set(early.id, early);
    await r.t.deliver(userEvent(early));
    return [...r.clerk.users.values()]
      .filter((user) => user.id !== early.id && user.id !== pagedId(7))
      .slice(query.startingAfter ? 27 : 0);
  };
  expect(figuresOf(await r.run("reconcile"))).toMatchObject({ status: "done", unchanged: 31 });
  await expectEqualToClerk(r);
});

test("only Clerk's 404 for the user itself counts: absence from every list is not enough", async () => {
  const r = await openRunsTest(30);
  await r.run("backfill");
  const hidden = r.clerk.users.get(pagedId(7)) ?? pagedUser(7);
  r.clerk.users.delete(hidden.id);
  r.clerk.onOther = (what) => void (what === `get ${hidden.id}` && r.clerk.users.set(hidden.id, hidden));
  expect(figuresOf(await r.run("reconcile"))).toEqual({ status: "done", seen: 30, unchanged: 30 });
  expect(r.clerk.asked).toContain("find 1");
});

test.each([
  { active: 100, gone: 20, deleted: 20 },
  { active: 100, gone: 21, deleted: 0 },
  { active: 300, gone: 30, deleted: 30 },
  { active: 300, gone: 31, deleted: 0 },
  { active: 15, gone: 7, deleted: 7 },
  { active: 15, gone: 8, deleted: 0 },
])("of $active users with $gone gone, $deleted are deleted", async ({ active, gone, deleted }) => {
  const r = await openRunsTest(active);
  await r.run("backfill");
  for (let n = 0; n < gone; n += 1) r.clerk.users.delete(pagedId(n * 2));
  // New ones do not stretch the limit.
  for (let n = 0; n < 100; n += 1) r.clerk.users.set(pagedId(5_000 + n), pagedUser(5_000 + n));
  const dry = await r.run("reconcile", { dryRun: true });
  const run = await r.run("reconcile");
  for (const { status, error, deleted: count } of [dry, run]) {
    expect({ status, count }).toEqual({ status: deleted > 0 ? "done" : "failed", count: deleted });
    if (deleted === 0)
      expect(error).toContain(
        `lacks more than ${Math.min(Math.max(20, active / 10), Math.floor(active / 2))} of the ${active} active users`,
      );
  }
  const [row] = await r.t.sql`select count(*)::int as count from users where deleted_at is not null`;
  expect(row?.["count"]).toBe(deleted);
});

test("ids of an older table that Clerk cannot know are left alone", async () => {
  const r = await openRunsTest(5);
  await r.t.sql`insert into users (clerk_id) values ('legacy-1'), ('user_with-dash')`;
  expect(figuresOf(await r.run("reconcile"))).toMatchObject({ status: "done", seen: 5 });
  const [row] = await r.t.sql`select count(*)::int as count from users where deleted_at is not null`;
  expect(row?.["count"]).toBe(0);
});

test("rows that are no Clerk users do not lift the limit", async () => {
  const r = await openRunsTest(60);
  await r.run("backfill");
  await r.t.sql`insert into users (clerk_id) select 'legacy_' || n from generate_series(1, 1000) n`;
  for (let n = 0; n < 59; n += 1) r.clerk.users.delete(pagedId(n));
  const run = await r.run("reconcile");
  expect(run).toMatchObject({ status: "failed", deleted: 0 });
  expect(run.error).toContain("more than 20 of the 60 active users");
});

const refusals: Record<string, (r: RunsTest) => void> = {
  "shows none": (r) => (r.clerk.onList = () => []),
  "shows none after a while": (r) => (r.clerk.onList = (query) => (query.orderBy === "-updated_at" ? undefined : [])),
  "answers 401": (r) =>
    (r.clerk.onList = () =>
      Promise.reject(new AppError("clerk_unavailable", "Clerk rejects CLERK_SECRET_KEY (status 401)."))),
  "is unreadable when asked for a group": (r) =>
    (r.clerk.onOther = (what) => {
      if (what === "find") throw new AppError("clerk_unavailable", "Clerk's answer is not a list of users.");
    }),
  "fails when asked for the last of them": (r) =>
    (r.clerk.onOther = (what) => {
      if (what === `get ${pagedId(12)}`) throw new AppError("clerk_unavailable", "Clerk answered 500.");
    }),
};
test.each(Object.keys(refusals))("if Clerk %s the run fails, says why and deletes no user", async (what) => {
  const r = await openRunsTest(50);
  await r.run("backfill");
  for (let n = 3; n < 13; n += 1) r.clerk.users.delete(pagedId(n));
  refusals[what]?.(r);
  const run = await r.run("reconcile");
  expect(run).toMatchObject({ status: "failed", deleted: 0 });
  expect(run.error).toStartWith("Clerk");
  const [row] = await r.t.sql`select count(*)::int as count from users where deleted_at is not null`;
  expect(row?.["count"]).toBe(0);
});

test("if Clerk lists and counts no users the run fails too, even if the limit would allow the deletions", async () => {
  const r = await openRunsTest(5);
  await r.run("backfill");
  r.clerk.users.clear();
  expect(await r.run("reconcile")).toMatchObject({ status: "failed", deleted: 0 });
  expect((await r.t.services.status.getStatus()).users).toMatchObject({ active: 5 });
});
