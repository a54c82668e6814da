import { expect, test } from "bun:test";
import { alarmCodes } from "../../src/domain/alarm.ts";
import type { Database } from "../../src/store/connection/database.ts";
import { clerkUser, deletedEvent, userEvent } from "../support/events.ts";
import { createTestClock } from "../support/testClock.ts";
import { openTestApp, testAdminToken } from "../support/testApp.ts";
import { connectTo } from "../support/trpcClient.ts";
import { openForTest } from "../support/toClose.ts";

/** An app to which a webhook has come, so that nothing is an alarm. */
async function openCalmApp(clerkInstanceId = "ins_1") {
  let calls = 0;
  const countCalls = (database: Database): Database => ({
    ...database,
    run: (work, limits) => ((calls += 1), database.run(work, limits)),
    callFunction: (...args) => ((calls += 1), database.callFunction(...args)),
  });
  const clock = createTestClock();
  const t = await openForTest(openTestApp({ clock, clerkInstanceId, wrapDatabase: countCalls }));
  const client = connectTo(t, testAdminToken);
  expect((await client.sync.status.query()).alarms).toEqual([]);
  await t.deliver(userEvent(clerkUser("user_First"), { instance_id: clerkInstanceId }));
  return {
    ...t,
    clock,
    client,
    codes: async () => (await client.sync.status.query()).alarms.map(({ code, severity }) => `${severity} ${code}`),
    /** The gauges that are not 0, without a call of the database. */
    scrape: async () => {
      const before = calls;
      const res = await t.app.request("/metrics", { headers: { authorization: `Bearer ${testAdminToken}` } });
      const lines = (await res.text()).split("\n").filter((line) => line.startsWith("clerk_sync_alarm{"));
      expect([calls, lines.length]).toEqual([before, alarmCodes.length]);
      return lines.filter((line) => !line.endsWith(" 0"));
    },
  };
}

test("refused events and other dead events are two alarms, each with its count, which end once the events are settled", async () => {
  const t = await openCalmApp();
  const event = userEvent(clerkUser("user_Alarm"));
  await t.sql`alter table users add constraint team_check check (name is null) not valid`;
  await t.deliver(event, { svixId: "msg_alarm" });
  await t.deliver("no event", { svixId: "msg_dead" });
  const { alarms, events } = await t.client.sync.status.query();
  const received = async (svixId: string) => (await t.client.events.get.query({ svixId })).receivedAt;
  expect(events.dead).toBe(2);
  expect(alarms).toEqual([
    {
      code: "refused_events",
      severity: "warning",
      since: await received("msg_alarm"),
      text: expect.stringMatching(
        /^1 event refused by a rule of the database \(team_check\), the oldest for/,
      ) as string,
    },
    {
      code: "dead_events",
      severity: "warning",
      since: await received("msg_dead"),
      text: expect.stringMatching(/^1 dead event, the oldest for/) as string,
    },
  ]);
  await t.sql`alter table users drop constraint team_check`;
  await t.client.events.replay.mutate({ svixId: "msg_alarm" });
  expect(await t.codes()).toEqual(["warning dead_events"]);
  await t.sql`delete from webhook_events where svix_id = 'msg_dead'`;
  expect(await t.codes()).toEqual([]);
});

test("a dead event is no alarm once its user was stored or deleted after it, or its payload is past its retention", async () => {
  const t = await openCalmApp();
  const die = (svixId: string, clerkId?: string) => t.deliver({ data: { id: clerkId } }, { svixId });
  await die("msg_stored", "user_Stored");
  await die("msg_gone", "user_Gone");
  await die("msg_unnamed");
  expect((await t.client.sync.status.query()).alarms[0]?.text).toStartWith("3 dead events");
  await t.deliver(userEvent(clerkUser("user_Stored")));
  await t.deliver(deletedEvent("user_Gone"));
  expect((await t.client.sync.status.query()).alarms[0]?.text).toStartWith("1 dead event,");
  await die("msg_later", "user_Stored");
  // The app's clock stands still.
  await t.sql`update webhook_events set received_at = now() where svix_id = 'msg_later'`;
  expect((await t.client.sync.status.query()).alarms[0]?.text).toStartWith("2 dead events");
  await t.sql`update webhook_events set payload = null where outcome = 'dead'`;
  const { alarms, events } = await t.client.sync.status.query();
  expect([alarms, events.dead]).toEqual([[], 4]);
});

test("failed runs are an alarm since the first failure until a run is done; a wrong key is an alarm of its own", async () => {
  const t = await openCalmApp();
  const end = (status: string, minutesAgo: number, error: string | null = null) => t.sql`
    insert into sync_runs (id, kind, status, started_by, started_at, finished_at, error)
    values (gen_random_uuid(), 'reconcile', ${status}, 'schedule', now() - make_interval(mins => ${minutesAgo}),
            now() - make_interval(mins => ${minutesAgo}), ${error})`;
  await end("failed", 50, "Earlier.");
  await end("done", 40);
  await end("failed", 30, "Clerk says no.");
  await end("failed", 20, "Clerk says no again.");
  await end("cancelled", 10);
  const [alarm] = (await t.client.sync.status.query()).alarms;
  expect(alarm).toMatchObject({ code: "failed_run", severity: "critical" });
  expect(alarm?.text).toBe("The last reconcile failed (Clerk says no again); fix the cause, then start it again.");
  expect(Date.now() - Date.parse(alarm?.since ?? "")).toBeWithin(30 * 60_000, 31 * 60_000);
  await end("done", 5);
  expect(await t.codes()).toEqual([]);
  const own = await openCalmApp("ins_other");
  const { runId } = await own.services.runs.start({ kind: "reconcile" });
  await own.services.runs.waitFor(runId);
  const { alarms } = await own.client.sync.status.query();
  expect(alarms.map(({ code }) => code)).toEqual(["wrong_key"]);
  expect(alarms[0]?.text).toBe(
    "CLERK_SECRET_KEY belongs to instance ins_1, but CLERK_INSTANCE_ID is ins_other; set the CLERK_SECRET_KEY of the right instance.",
  );
});

test("the alarm of silence follows the longest silence of two weeks", async () => {
  const t = await openCalmApp();
  await t.sql`update webhook_events set received_at = now() - interval '20 hours'`;
  expect(await t.codes()).toEqual(["warning silence"]);
  await t.sql`delete from event_counters where hour > '-infinity'`;
  await t.sql`insert into event_counters (hour, outcome, lag_bucket, events)
    select date_trunc('hour', now()) - make_interval(hours => n), 'applied', -1, 1 from unnest(array[20, 60, 110, 200]) n`;
  // The longest time between two of these hours is 90 hours, so that 20 are nothing.
  expect(await t.codes()).toEqual([]);
  await t.sql`update webhook_events set received_at = now() - interval '97 hours'`;
  expect(await t.codes()).toEqual(["critical silence"]);
});

test("/metrics shows the alarms that this process last knew, without a query", async () => {
  const t = await openCalmApp();
  expect(await t.scrape()).toEqual([]);
  await t.sql`alter type turma rename value 'neon_estrutura' to 'neon_base'`;
  expect(await t.scrape()).toEqual([]);
  expect(await t.codes()).toEqual(["warning default_turma"]);
  expect(await t.scrape()).toEqual(['clerk_sync_alarm{code="default_turma"} 1']);
  await t.sql`alter type turma rename value 'neon_base' to 'neon_estrutura'`;
  expect(await t.codes()).toEqual([]);
  // A wrong clock is known without the database.
  for (let count = 0; count < 6; count++) {
    await t.deliver(userEvent(clerkUser("user_Ahead")), { at: new Date(t.clock.nowMs() + 360_000) });
    await t.clock.advance(2_000);
  }
  expect(await t.scrape()).toEqual(['clerk_sync_alarm{code="clock"} 1']);
  expect(await t.codes()).toEqual(["critical clock"]);
});
