import { expect, test } from "bun:test";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { waitUntil } from "../support/runs.ts";
import { createTestClock } from "../support/testClock.ts";
import { createFixedClerk, openTestApp, testAdminToken } from "../support/testApp.ts";
import { connectTo } from "../support/trpcClient.ts";
import { openForFile, openForTest } from "../support/toClose.ts";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";

const t = openForFile(() => openTestApp({ clerk: createFixedClerk([clerkUser("user_Elsewhere")]) }));
const client = connectTo(t, testAdminToken);

test("event figures are exact, and count each delivery once", async () => {
  const before = await client.sync.status.query();
  const event = userEvent(clerkUser("user_Exact"));
  for (let nth = 0; nth < 3; nth += 1) await t.deliver(event, { svixId: "msg_exact" });
  await t.deliver(userEvent(clerkUser("user_Exact")), { svixId: "msg_again" });
  await t.deliver(userEvent(clerkUser("user_Exact", { updated_at: startMs - 1, first_name: "Old" })));
  await t.deliver({ type: "organization.created", data: { id: "org_1" } });
  await t.deliver("no event");
  const after = await client.sync.status.query();
  const grown = Object.entries(after.events).map(([outcome, count]) => [
    outcome,
    count - before.events[outcome as keyof typeof before.events],
  ]);
  expect(Object.fromEntries(grown)).toEqual({ applied: 1, unchanged: 1, stale: 1, ignored: 1, dead: 1 });
  expect(after.duplicates - before.duplicates).toBe(2);
  expect(Object.keys(after).sort()).toEqual(
    [
      "alarms",
      "drift",
      "duplicates",
      "events",
      "lag",
      "lastEventAt",
      "lastRun",
      "links",
      "oldestDeadAt",
      "users",
    ].sort(),
  );
});

test("the lag is the time from Clerk's timestamp to the commit, also of late deliveries", async () => {
  const own = await openForTest(openTestApp());
  const lateMs = [5_000, 5_000, 5_000, 90_000];
  for (const [nth, ms] of lateMs.entries()) {
    await own.deliver(userEvent(clerkUser(`user_Late${nth}`), { timestamp: Date.now() - ms }));
  }
  const { lag } = await connectTo(own, testAdminToken).sync.status.query();
  for (const [found, ms] of [
    [lag.p50Ms, 5_000],
    [lag.p95Ms, 90_000],
  ] as const) {
    expect(found).toBeGreaterThanOrEqual(ms);
    expect(found).toBeLessThan(ms + 2_000);
  }
});

test("figures of users and links are at most two seconds old", async () => {
  const clock = createTestClock();
  const own = await openForTest(openTestApp({ clock }));
  const findTotal = async () => (await connectTo(own, testAdminToken).sync.status.query()).users.total;
  expect(await findTotal()).toBe(0);
  await own.deliver(userEvent(clerkUser("user_Young")));
  await clock.advance(1_499);
  expect(await findTotal()).toBe(0);
  await clock.advance(1);
  expect(await findTotal()).toBe(1);
});

test("only one slow count runs at a time; a call after its start waits for a later count", async () => {
  const clock = createTestClock();
  const own = await openForTest(openTestApp({ clock }));
  await own.sql`alter function ${own.sql(functionsSchema)}.user_figures() rename to quick_figures`;
  await own.sql.unsafe(`
    create function ${functionsSchema}.user_figures() returns jsonb language sql volatile
    as $$ select ${functionsSchema}.quick_figures() from (select pg_sleep(0.6)) slow $$`);
  const ask = () => connectTo(own, testAdminToken).sync.status.query();
  const countCounts = async () => {
    const [counting] = await own.sql<{ counts: number }[]>`
      select count(*)::int as counts from pg_stat_activity
      where datname = current_database() and state = 'active' and query like '%user_figures%' and pid <> pg_backend_pid()`;
    return counting?.counts;
  };
  const first = ask();
  await waitUntil(async () => (await countCounts()) === 1, 5_000);
  await clock.advance(1_650);
  await own.deliver(userEvent(clerkUser("user_Late")));
  const others = [ask(), ask(), ask()];
  await Bun.sleep(50);
  expect(await countCounts()).toBe(1);
  expect((await first).users.total).toBe(0);
  for (const other of others) expect((await other).users.total).toBe(1);
}, 20_000);

test("every active user is in one link figure at most, and every user is counted once", async () => {
  const own = await openForTest(openTestApp());
  await own.deliver(userEvent(clerkUser("user_Linked")));
  await own.deliver(userEvent(clerkUser("user_Twin", { email: "linked@example.com" })));
  await own.deliver(userEvent(clerkUser("user_Unverified", { verified: false })));
  await own.deliver(userEvent(clerkUser("user_NoEmail", { email: null })));
  await own.deliver(userEvent(clerkUser("user_Gone")));
  await own.deliver(deletedEvent("user_Gone"));
  await own.deliver(userEvent(clerkUser("user_Held")));
  const held = await own.services.users.getUser("user_Held");
  await own.services.links.unlink({ mentoradoId: held.mentorado?.id ?? 0, actor: "operator:test" });
  // The mentorado was deleted by hand: there is none, and none is in question.
  await own.deliver(userEvent(clerkUser("user_None")));
  await own.sql`delete from mentorados where email = 'none@example.com'`;
  const { users, links } = await connectTo(own, testAdminToken).sync.status.query();
  expect(users).toEqual({ total: 7, active: 6, deleted: 1 });
  expect(links).toEqual({ linked: 1, unverified: 1, noEmail: 1, conflict: 2 });
  // The same states, one by one.
  const states = await own.sql<{ link: string; users: number }[]>`
    select ${own.sql(functionsSchema)}.user_state(clerk_id) ->> 'link' as link, count(*)::int as users
    from users group by 1 order by 1`;
  expect(Object.fromEntries(states.map((row) => [row.link, row.users]))).toEqual({
    conflict: 2,
    linked: 1,
    no_email: 1,
    none: 2,
    unverified: 1,
  });
});

test("oldestDeadAt is the arrival of the first dead event, until that is settled", async () => {
  const own = await openForTest(openTestApp());
  const status = () => connectTo(own, testAdminToken).sync.status.query();
  await own.deliver("dead", { svixId: "msg_dead1" });
  await own.deliver("dead", { svixId: "msg_dead2" });
  const first = await own.services.events.get("msg_dead1");
  expect((await status()).oldestDeadAt).toBe(first.receivedAt);
  await own.sql`update webhook_events set payload = ${JSON.stringify(userEvent(clerkUser("user_Mended")))}`;
  await own.services.events.replay({ svixId: "msg_dead1", actor: "operator:test" });
  const second = await own.services.events.get("msg_dead2");
  expect(await status()).toMatchObject({ oldestDeadAt: second.receivedAt, events: { applied: 1, dead: 1 } });
  await own.services.events.replay({ svixId: "msg_dead2", actor: "operator:test" });
  expect(await status()).toMatchObject({ oldestDeadAt: null, events: { applied: 1, unchanged: 1, dead: 0 } });
});

test("the last run is as runs.get shows it; drift is what the last finished reconcile found", async () => {
  // Without the users of other tests, whom this Clerk does not have: a reconcile deletes no more than half of all.
  const own = await openForTest(openTestApp({ clerk: createFixedClerk([clerkUser("user_Elsewhere")]) }));
  const caller = connectTo(own, testAdminToken);
  expect(await caller.sync.status.query()).toMatchObject({ lastRun: null, drift: null });
  const { runId } = await caller.runs.start.mutate({ kind: "reconcile", dryRun: true });
  await own.services.runs.waitFor(runId);
  const run = await caller.runs.get.query({ runId });
  const { lastRun, drift } = await caller.sync.status.query();
  expect(lastRun).toEqual(run);
  expect(run.status).toBe("done");
  expect(drift).toBe(run.drift);
  expect(run.drift).toBeGreaterThan(0);
});
