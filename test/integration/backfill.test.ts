import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { userEvent, deletedEvent, startMs } from "../support/events.ts";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { expectEqualToClerk, figuresOf, openRunsTest, versionsOf, waitUntil } from "../support/runs.ts";
import { createTestClock } from "../support/testClock.ts";

test("every user of Clerk is written, a page of 500 a request, under the source backfill", async () => {
  const r = await openRunsTest(1_200);
  expect(figuresOf(await r.run("backfill"))).toEqual({ status: "done", seen: 1_200, applied: 1_200 });
  await expectEqualToClerk(r);
  expect(r.clerk.asked).toEqual([
    "count",
    "list +created_at",
    `list +created_at ${pagedId(499)}`,
    `list +created_at ${pagedId(999)}`,
    // The end is where the last user is shown again and no user after.
    `list +created_at ${pagedId(1_198)}`,
  ]);
  const sources = await r.t.sql`select distinct sync_source from users`;
  expect(sources.map((row) => row["sync_source"])).toEqual(["backfill"]);
});

test("a second backfill writes nothing", async () => {
  const r = await openRunsTest(700);
  await r.run("backfill");
  const before = await versionsOf(r.t);
  expect(figuresOf(await r.run("backfill"))).toEqual({ status: "done", seen: 700, unchanged: 700 });
  expect(await versionsOf(r.t)).toBe(before);
});

test("a dry run says what would happen and writes nothing but its record", async () => {
  const r = await openRunsTest(600);
  await r.t.deliver(userEvent(pagedUser(1)));
  await r.t.deliver(userEvent(pagedUser(2, { first_name: "Old", updated_at: startMs })));
  const before = await versionsOf(r.t);
  const run = await r.run("backfill", { dryRun: true });
  expect(run.dryRun).toBe(true);
  expect(figuresOf(run)).toEqual({ status: "done", seen: 600, applied: 599, unchanged: 1 });
  expect(await versionsOf(r.t)).toBe(before);
});

test("users created, changed and deleted during a backfill end correct, with or without webhooks", async () => {
  const r = await openRunsTest(1_100);
  r.clerk.onList = async (_query, nth) => {
    if (nth !== 1) return;
    // Of the page that is being written, of one to come, and two unknown ones.
    for (const n of [7, 900])
      r.clerk.users.set(pagedId(n), pagedUser(n, { first_name: "New", updated_at: startMs * 2 }));
    for (const n of [8, 901]) r.clerk.users.delete(pagedId(n));
    for (const n of [5_000, 5_001]) r.clerk.users.set(pagedId(n), pagedUser(n));
    for (const n of [7, 5_000]) await r.t.deliver(userEvent(r.clerk.users.get(pagedId(n)) ?? pagedUser(n)));
    await r.t.deliver(deletedEvent(pagedId(8)));
  };
  const run = await r.run("backfill");
  expect(run.status).toBe("done");
  await expectEqualToClerk(r);
});

test("webhooks are answered while a backfill runs, each within two seconds on a busy machine", async () => {
  const r = await openRunsTest(4_000);
  const { runId } = await r.runs.start({ kind: "backfill" });
  const waits: number[] = [];
  const run = { isOver: false };
  void r.runs.waitFor(runId).then(() => (run.isOver = true));
  for (let n = 0; !run.isOver; n += 1) {
    const startedAt = performance.now();
    const { said } = await r.t.deliver(userEvent(pagedUser(10_000 + n)));
    expect(said).toBe("applied");
    waits.push(performance.now() - startedAt);
  }
  expect(waits.length).toBeGreaterThan(5);
  expect(Math.max(...waits)).toBeLessThan(2_000);
});

describe("the place in Clerk's list", () => {
  test("if the last user of a page is deleted between two requests, no user is skipped or seen twice", async () => {
    const r = await openRunsTest(1_100);
    r.clerk.onList = (_query, nth) => {
      if (nth === 1) for (const n of [497, 498, 499]) r.clerk.users.delete(pagedId(n));
    };
    const run = await r.run("backfill");
    expect(figuresOf(run)).toMatchObject({ status: "done", seen: 1_100 });
  });

  test("if all of the last twenty users are deleted, no user is skipped, though some may be seen twice", async () => {
    const r = await openRunsTest(1_100);
    r.clerk.onList = (_query, nth) => {
      if (nth === 1) for (let n = 470; n < 500; n += 1) r.clerk.users.delete(pagedId(n));
    };
    const run = await r.run("backfill");
    expect(run).toMatchObject({ status: "done" });
    expect(run.seen).toBeWithin(1_100, 1_110);
    const [row] = await r.t.sql`select count(*)::int as count from users`;
    expect(row?.["count"]).toBe(1_100);
  });

  test("thousands of users created in one millisecond are each seen once, even if the cursor user is deleted", async () => {
    const r = await openRunsTest(2_600);
    for (const [id, user] of r.clerk.users) r.clerk.users.set(id, { ...user, created_at: startMs });
    r.clerk.onList = (_query, nth) => {
      if (nth === 2) r.clerk.users.delete(pagedId(999));
    };
    expect(figuresOf(await r.run("backfill"))).toMatchObject({ status: "done", seen: 2_600 });
  });

  test("a page that is short, or empty by mistake, does not end the listing", async () => {
    const r = await openRunsTest(1_300);
    r.clerk.onList = (_query, nth) => {
      if (nth === 0) return [...r.clerk.users.values()].slice(0, 130);
      if (nth === 2 || nth === 3) return [];
      return undefined;
    };
    expect(figuresOf(await r.run("backfill"))).toEqual({ status: "done", seen: 1_300, applied: 1_300 });
  });

  test("a Clerk that ignores the cursor ends the run as failed, never as done", async () => {
    const r = await openRunsTest(1_300);
    r.clerk.onList = () => [...r.clerk.users.values()].slice(0, 500);
    expect(await r.run("backfill")).toMatchObject({
      status: "failed",
      error: "Clerk returned users that were not requested.",
    });
  });

  test("a backfill of an instance without users is done; with an empty list though Clerk counts users it fails", async () => {
    const r = await openRunsTest(0);
    expect(figuresOf(await r.run("backfill"))).toEqual({ status: "done" });
    r.clerk.users.set(pagedId(1), pagedUser(1));
    r.clerk.onList = () => [];
    expect(await r.run("backfill")).toMatchObject({
      status: "failed",
      error: "Clerk counts 1 users but lists none.",
    });
  });
});

describe("what fails", () => {
  test("a run waits for the rate limit as long as Clerk demands", async () => {
    const clock = createTestClock();
    const r = await openRunsTest(600, { clock });
    let requests = 0;
    r.clerk.onList = (_query, nth) => {
      requests += 1;
      if (nth === 1)
        throw new AppError("too_many_requests", "Clerk's rate limit is reached.", { retryAfterSeconds: 30 });
    };
    const run = r.run("backfill");
    // The heartbeat, and the wait.
    await waitUntil(() => Promise.resolve(requests === 2 && clock.timers() === 2), 5_000);
    await clock.advance(29_999);
    expect(requests).toBe(2);
    await clock.advance(1);
    expect(figuresOf(await run)).toMatchObject({ status: "done", seen: 600 });
  });

  test("an outage of Clerk fails the run with a readable error; the next run resumes it with complete figures", async () => {
    const r = await openRunsTest(1_700);
    let isAway = true;
    r.clerk.onList = (query) => {
      if (isAway && query.startingAfter === pagedId(999))
        throw new AppError("clerk_unavailable", "Clerk answered 502.");
    };
    const failed = await r.run("backfill");
    expect(failed).toMatchObject({ status: "failed", error: "Clerk answered 502.", seen: 1_000 });
    expect(failed.finishedAt).not.toBeNull();
    isAway = false;
    r.clerk.asked.length = 0;
    const run = await r.run("backfill");
    expect(figuresOf(run)).toEqual({ status: "done", seen: 1_700, applied: 1_700 });
    expect(run.runId).not.toBe(failed.runId);
    expect(r.clerk.asked.find((what) => what.startsWith("list"))).toBe(`list +created_at ${pagedId(999)}`);
    // And the one after that begins anew.
    r.clerk.asked.length = 0;
    await r.run("backfill");
    expect(r.clerk.asked.find((what) => what.startsWith("list"))).toBe("list +created_at");
  });

  test("a user who cannot be stored blocks no other user, and the run is not done", async () => {
    const r = await openRunsTest(700);
    await r.t.sql`alter table users add constraint refusing check (name <> 'Refused Souza')`;
    r.clerk.users.set(pagedId(321), pagedUser(321, { first_name: "Refused" }));
    expect(await r.run("backfill")).toMatchObject({
      status: "failed",
      seen: 700,
      applied: 699,
      error: `1 user could not be stored (all others were): ${pagedId(321)}`,
    });
  });

  test("a short outage of the database delays a run and has no other effect", async () => {
    const r = await openRunsTest(1_200);
    r.clerk.onList = async (_query, nth) => {
      if (nth !== 1) return;
      await r.t
        .sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
    };
    expect(figuresOf(await r.run("backfill"))).toEqual({ status: "done", seen: 1_200, applied: 1_200 });
  });
});
