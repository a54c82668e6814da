import { expect, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { createRetention } from "../../src/service/retention.ts";
import { startScheduler } from "../../src/service/runs/scheduler.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { createTestClock } from "../support/testClock.ts";
import { toClose } from "../support/toClose.ts";
import { openRunsTest, waitUntil } from "../support/runs.ts";

const dayMs = 86_400_000;

test("payloads older than their time are erased, dead events' too; the rest of the ledger stays", async () => {
  const r = await openRunsTest(0);
  for (const n of [1, 2]) await r.t.deliver(userEvent(clerkUser("user_Kept")), { svixId: `msg_${n}` });
  await r.t.deliver("not an event", { svixId: "msg_dead" });
  await r.t.sql`
    insert into webhook_events (svix_id, received_at, settled_at, outcome, payload)
    select 'msg_old_' || n, now(), now() - interval '2 days', 'ignored', '{}' from generate_series(1, 1200) n`;
  await r.t
    .sql`update webhook_events set settled_at = now() - interval '2 days' where svix_id in ('msg_1', 'msg_dead')`;
  const retention = createRetention({ database: r.t.database, keepMs: 1.5 * dayMs, log: silentLog });
  expect(await retention.sweep()).toBe(1_202);
  const kept = await r.t.sql`select svix_id from webhook_events where payload is not null`;
  expect(kept.map((row) => row["svix_id"])).toEqual(["msg_2"]);
  expect(await r.t.sql`select from webhook_events`).toHaveLength(1_203);
  expect(await retention.sweep()).toBe(0);
});

test("rows older than their time are deleted, but dead ones; counters stay, and without a limit every row does", async () => {
  const r = await openRunsTest(0);
  await r.t.deliver(userEvent(clerkUser("user_Kept")), { svixId: "msg_new" });
  await r.t.deliver(userEvent(clerkUser("user_Old")), { svixId: "msg_old" });
  await r.t.deliver("not an event", { svixId: "msg_dead" });
  // Settled anew by a replay, so that its time began again.
  await r.t.deliver({ type: "x.y", data: {} }, { svixId: "msg_replayed" });
  await r.t.sql`
    insert into webhook_events (svix_id, received_at, settled_at, outcome)
    select 'msg_old_' || n, now() - interval '8 days', now() - interval '8 days', 'ignored' from generate_series(1, 1200) n`;
  await r.t.sql`
    update webhook_events set received_at = now() - interval '8 days', settled_at = now() - interval '8 days'
    where svix_id in ('msg_old', 'msg_dead')`;
  await r.t.sql`update webhook_events set received_at = now() - interval '8 days' where svix_id = 'msg_replayed'`;
  // A sweep moves the counts of the last second from one table to the other.
  const counters = () => r.t.sql`
    select outcome, sum(events)::int as events, sum(lag_ms_sum) as "lagMs" from (
      select outcome, events, lag_ms_sum from event_counters where hour > '-infinity'
      union all select outcome, events, lag_ms_sum from event_counters_recent
    ) k group by outcome having sum(events) > 0 order by outcome`;
  const before = await counters();
  const deps = { database: r.t.database, keepMs: 30 * dayMs, log: silentLog };
  await createRetention(deps).sweep();
  expect(await r.t.sql`select from webhook_events`).toHaveLength(1_204);
  await createRetention({ ...deps, ledgerKeepMs: 7 * dayMs }).sweep();
  const kept = await r.t.sql`select svix_id from webhook_events order by svix_id`;
  expect(kept.map((row) => row["svix_id"])).toEqual(["msg_dead", "msg_new", "msg_replayed"]);
  expect(JSON.stringify(await counters())).toBe(JSON.stringify(before));
});

test("a sweep waits for no writer, and no writer for it", async () => {
  const r = await openRunsTest(0);
  for (const n of [1, 2]) await r.t.deliver({ type: "x.y", data: {} }, { svixId: `msg_${n}` });
  await r.t.sql`update webhook_events set settled_at = now() - interval '2 days'`;
  const retention = createRetention({ database: r.t.database, keepMs: dayMs, log: silentLog });
  await r.t.sql.begin(async (tx) => {
    await tx`update webhook_events set attempts = attempts + 1 where svix_id = 'msg_1'`;
    expect(await retention.sweep()).toBe(1);
  });
  expect(await retention.sweep()).toBe(1);
});

test("of the runs the newest 10,000 are kept, and the newest of each kind and end", async () => {
  const r = await openRunsTest(3);
  await r.run("backfill");
  await r.t.sql`update sync_runs set started_at = started_at - interval '3 years'`;
  await r.t.sql`
    insert into sync_runs (id, kind, status, started_by, "full", started_at, cursor)
    select gen_random_uuid(), 'reconcile', 'done', 'schedule', n % 24 = 0, now() - n * interval '1 hour', '{}'
    from generate_series(1, 10600) n`;
  await r.t.sql`
    insert into sync_run_pages (run_id, step, user_ids) select id, 0, '{}' from sync_runs order by started_at limit 10`;
  const retention = createRetention({ database: r.t.database, keepMs: dayMs, log: silentLog });
  await Promise.all([retention.sweep(), retention.sweep()]);
  const rows = await r.t.sql<{ kind: string; runs: number }[]>`
    select kind, count(*)::int as runs from sync_runs group by kind order by kind`;
  expect([...rows]).toEqual([
    { kind: "backfill", runs: 1 },
    { kind: "reconcile", runs: 10_000 },
  ]);
  expect(
    await r.t.sql`select from sync_run_pages p where not exists (select from sync_runs where id = run_id)`,
  ).toHaveLength(0);
});

test.each([0, 1_000])("with a reconcile every %p ms payloads are erased by themselves", async (reconcileEveryMs) => {
  const r = await openRunsTest(0);
  await r.t.deliver({ type: "x.y", data: {} });
  await r.t.sql`update webhook_events set settled_at = now() - interval '2 days'`;
  const keepMs = dayMs;
  const clock = createTestClock();
  const retention = createRetention({ database: r.t.database, keepMs, log: silentLog });
  const hasClerkKey = reconcileEveryMs > 0;
  const scheduler = startScheduler({
    runs: r.runs,
    retention,
    database: r.t.database,
    reconcileEveryMs,
    keepMs,
    hasClerkKey,
    log: silentLog,
    clock,
  });
  toClose.unshift(scheduler.stop);
  await waitUntil(async () => {
    await clock.advance(reconcileEveryMs || 5 * 60_000);
    return (await r.t.sql`select from webhook_events where payload is null`).length === 1;
  }, 10_000);
});
