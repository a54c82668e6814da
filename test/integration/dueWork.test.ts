import { expect, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { createRetention } from "../../src/service/retention.ts";
import { createDueWork, type DueWork } from "../../src/service/runs/dueWork.ts";
import { createTestClock } from "../support/testClock.ts";
import { figuresOf, holdPages, openRunsTest, waitUntil, type RunsTest } from "../support/runs.ts";

const hourMs = 3_600_000;
const nothingDue = { runs: [], dueInMs: expect.any(Number), note: null };

/** The schedule of a copy that is called from outside; `runs` are that copy's. */
function openDueWork(r: RunsTest, options: Partial<Parameters<typeof createDueWork>[0]> = {}): DueWork {
  const retention = createRetention({ database: r.t.database, keepMs: 30 * 24 * hourMs, log: silentLog });
  const parts = {
    runs: r.otherProcess(),
    retention,
    database: r.t.database,
    reconcileEveryMs: hourMs,
    hasClerkKey: true,
  };
  return createDueWork({ ...parts, ...options });
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "no error",
    (error: { code: string }) => error.code,
  );

const countRuns = async (r: RunsTest) => (await r.t.sql`select from sync_runs`).length;

test("the first call runs a full reconcile; further calls do nothing until the next one is due", async () => {
  const r = await openRunsTest(3);
  const dueWork = openDueWork(r);
  expect(await dueWork.perform()).toMatchObject({ runs: [{ kind: "reconcile", status: "done" }], dueInMs: hourMs });
  expect((await r.t.services.status.getStatus()).users.active).toBe(3);
  r.clerk.asked.length = 0;
  for (const copy of [dueWork, dueWork, openDueWork(r)]) expect(await copy.perform()).toEqual(nothingDue);
  expect([await countRuns(r), r.clerk.asked]).toEqual([1, []]);
  await r.t.sql`update sync_runs set started_at = started_at - interval '1 hour'`;
  expect(await dueWork.perform()).toMatchObject({ runs: [{ kind: "reconcile", status: "done" }] });
  expect((await r.t.sql`select "full" from sync_runs order by started_at`).map((row) => row["full"])).toEqual([
    true,
    false,
  ]);
  // Of two calls a day the second next is the full one, also if it comes a little early.
  await r.t.sql`update sync_runs set started_at = started_at - interval '22 hours 58 minutes'`;
  await dueWork.perform();
  expect(await r.t.sql`select from sync_runs where "full"`).toHaveLength(2);
});

test("of concurrent calls, to one copy or several, one works and the others are a conflict", async () => {
  const r = await openRunsTest(600);
  const held = holdPages(r);
  const dueWork = openDueWork(r);
  const first = dueWork.perform();
  await held.reached;
  expect(await codeOf(dueWork.perform())).toBe("conflict");
  expect(await codeOf(openDueWork(r).perform())).toBe("conflict");
  held.letGo();
  expect(await first).toMatchObject({ runs: [{ status: "done" }] });
  const sweeping = Promise.withResolvers<number>();
  const busy = openDueWork(r, { retention: { sweep: () => sweeping.promise } });
  const sweep = busy.perform();
  expect(await codeOf(busy.perform())).toBe("conflict");
  sweeping.resolve(0);
  expect(await sweep).toEqual(nothingDue);
  await r.t.sql`update sync_runs set started_at = started_at - interval '1 hour'`;
  const codes = await Promise.all(Array.from({ length: 4 }, () => codeOf(openDueWork(r).perform())));
  expect(codes.filter((code) => code === "no error").length).toBeGreaterThanOrEqual(1);
  expect(codes.every((code) => code === "no error" || code === "conflict")).toBe(true);
  expect(await countRuns(r)).toBe(2);
});

test("a reconcile longer than a call may take is released in time, and the next call, hours later, resumes it", async () => {
  const r = await openRunsTest(1_200);
  const clock = createTestClock();
  const held = holdPages(r);
  const first = openDueWork(r, { clock }).perform();
  await held.reached;
  await waitUntil(async () => (await r.runs.list({ limit: 1 }))[0]?.seen === 500, 5_000);
  await clock.advance(10 * 60_000);
  expect((await first).runs).toEqual([{ kind: "reconcile", status: "paused" }]);
  held.letGo();
  await r.t.sql`update sync_runs set started_at = now() - interval '6 hours', lease_until = now() - interval '5 hours'`;
  r.clerk.asked.length = 0;
  expect((await openDueWork(r).perform()).runs).toContainEqual({ kind: "reconcile", status: "done" });
  expect(r.clerk.asked.join()).not.toContain("list +created_at,");
  const [newest, resumed] = await r.runs.list({ limit: 2 });
  expect(figuresOf(resumed as never)).toEqual({ status: "done", seen: 1_200, applied: 1_200, drift: 1_200 });
  expect(newest).toMatchObject({ status: "done", drift: 0 });
});

test("a backfill released by another copy is finished, although no reconcile is due", async () => {
  const r = await openRunsTest(1_200);
  await openDueWork(r).perform();
  const held = holdPages(r);
  const leaving = r.otherProcess();
  const { runId } = await leaving.start({ kind: "backfill" });
  await held.reached;
  await leaving.close();
  held.letGo();
  expect(await openDueWork(r).perform()).toMatchObject({ runs: [{ kind: "backfill", status: "done" }] });
  expect(figuresOf(await r.runs.get(runId))).toEqual({ status: "done", seen: 1_200, unchanged: 1_200 });
});

test("a copy that shuts down releases its runs and starts nothing more", async () => {
  const r = await openRunsTest(600);
  const held = holdPages(r);
  const leaving = r.otherProcess();
  const dueWork = openDueWork(r, { runs: leaving });
  const call = dueWork.perform();
  await held.reached;
  dueWork.stop();
  await leaving.close();
  expect((await call).runs).toEqual([{ kind: "reconcile", status: "paused" }]);
  // One that is told to go while it takes the run over does not keep it either.
  const late = r.otherProcess();
  const told: DueWork = openDueWork(r, {
    runs: { ...late, takeOver: (options) => late.takeOver(options).finally(() => told.stop()) },
  });
  expect((await told.perform()).runs).toEqual([{ kind: "reconcile", status: "paused" }]);
  held.letGo();
  expect(await openDueWork(r).perform()).toMatchObject({ runs: [{ status: "done" }] });
  expect(await countRuns(r)).toBe(1);
});

test("each call applies retention; without a key or a schedule it does nothing else", async () => {
  const r = await openRunsTest(1);
  const age = () => r.t.sql`
    insert into webhook_events (svix_id, received_at, settled_at, outcome, payload)
    values (${crypto.randomUUID()}, now(), now() - interval '31 days', 'ignored', '{}')`;
  const kept = async () => (await r.t.sql`select from webhook_events where payload is not null`).length;
  await age();
  const { note, ...report } = await openDueWork(r, { hasClerkKey: false }).perform();
  expect([report, await kept()]).toEqual([{ runs: [], dueInMs: null }, 0]);
  expect(note).toStartWith("CLERK_SECRET_KEY is not set");
  await age();
  const off = openDueWork(r, { reconcileEveryMs: 0 });
  expect([await off.perform(), await kept()]).toEqual([{ runs: [], dueInMs: null, note: null }, 0]);
  expect(await countRuns(r)).toBe(0);
});

test("a reconcile that failed makes the call fail, and is not tried again before it is due", async () => {
  const r = await openRunsTest(3);
  r.clerk.instanceId = "ins_other";
  await r.t.deliver({ type: "session.created", instance_id: "ins_1", data: {} });
  const dueWork = openDueWork(r);
  expect(await codeOf(dueWork.perform())).toBe("unavailable");
  expect(await dueWork.perform()).toEqual(nothingDue);
  expect((await r.runs.list({ limit: 5 })).map((run) => run.status)).toEqual(["failed"]);
});
