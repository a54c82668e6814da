import { expect, test } from "bun:test";
import { pino } from "pino";
import { silentLog } from "../../src/log.ts";
import { createRetention } from "../../src/service/retention.ts";
import { startScheduler } from "../../src/service/runs/scheduler.ts";
import { startMs } from "../support/events.ts";
import { createTestClock } from "../support/testClock.ts";
import type { Clock } from "../../src/clock.ts";
import { toClose } from "../support/toClose.ts";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { figuresOf, openRunsTest, waitUntil, type RunsTest } from "../support/runs.ts";

const dayMs = 86_400_000;
const inUse = { idleMs: () => 0 };

/** The schedule of one process; `runs` are that process's. */
function schedule(r: RunsTest, options: { clock?: Clock; everyMs: number }) {
  const { clock, everyMs: reconcileEveryMs } = options;
  const keepMs = 30 * dayMs;
  const retention = createRetention({ database: r.t.database, keepMs, log: silentLog });
  const { database } = r.t;
  const parts = { runs: r.otherProcess(), retention, database, reconcileEveryMs, keepMs, hasClerkKey: true };
  toClose.unshift(startScheduler({ ...parts, log: silentLog, clock }).stop);
}

async function scheduledRuns(r: RunsTest) {
  return r.t.sql<{ full: boolean; status: string; atMs: number; seen: number }[]>`
    select "full", status, seen, (extract(epoch from started_at) * 1000)::float8 as "atMs"
    from sync_runs where started_by = 'schedule' order by started_at`;
}

/** The run that is due, to its end. */
async function reconcileNow(r: RunsTest) {
  await r.runs.startScheduled({ everyMs: 1, firstDueInMs: 0 });
  const [newest] = await r.runs.list({ limit: 1 });
  await r.runs.waitFor(newest?.runId ?? "");
  return r.runs.get(newest?.runId ?? "");
}

test("of many processes exactly one runs the reconcile per interval", async () => {
  const r = await openRunsTest(3);
  for (let n = 0; n < 4; n += 1) {
    schedule(r, { everyMs: 1_000 });
    // Servers do not start in step.
    await Bun.sleep(200);
  }
  await waitUntil(async () => (await scheduledRuns(r)).length >= 3, 10_000);
  const rows = await scheduledRuns(r);
  for (const [place, row] of rows.entries()) {
    if (place > 0) expect(row.atMs - (rows[place - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(890);
  }
});

test("the first reconcile of a day is full; later ones are incremental and relink waiting users", async () => {
  const r = await openRunsTest(1_200);
  const email = `${pagedId(5).slice(5).toLowerCase()}@example.com`;
  const [, second] = await r.t.sql<{ id: number }[]>`
    insert into mentorados (nome_completo, email, turma) values ('A', ${email}, 'neon_escala'), ('B', ${email}, 'neon_escala') returning id`;
  expect(figuresOf(await reconcileNow(r))).toEqual({ status: "done", seen: 1_200, applied: 1_200, drift: 1_200 });
  r.clerk.users.set(pagedId(3), pagedUser(3, { first_name: "Changed", updated_at: startMs + 1_300_000 }));
  r.clerk.users.set(pagedId(4_000), pagedUser(4_000));
  await r.t.sql`delete from mentorados where id = ${second?.id ?? 0}`;
  r.clerk.asked.length = 0;
  const run = await reconcileNow(r);
  // What was changed in the ten minutes before the last run began is looked at again.
  expect(figuresOf(run)).toEqual({ status: "done", seen: 604, applied: 3, unchanged: 601, drift: 2 });
  expect(run.driftByKind).toEqual({ missing: 1, stale: 1, deleted: 0 });
  // "find 100", because no event names the instance: does Clerk know a user who is here?
  expect(r.clerk.asked.join()).toBe("find 100,list -updated_at,count,list -updated_at 0,list -updated_at 450,find 1");
  expect((await r.t.services.users.getUser(pagedId(5))).link).toBe("linked");
  await r.t.sql`update sync_runs set started_at = started_at - interval '25 hours'`;
  expect(figuresOf(await reconcileNow(r))).toMatchObject({ status: "done", seen: 1_201 });
  expect((await scheduledRuns(r)).map((row) => row.full)).toEqual([true, false, true]);
});

test("a run that finds fewer users at Clerk becomes full and deletes the users that Clerk no longer has", async () => {
  const r = await openRunsTest(1_200);
  await reconcileNow(r);
  r.clerk.users.set(pagedId(3), pagedUser(3, { first_name: "Changed", updated_at: startMs + 1_300_000 }));
  r.clerk.users.set(pagedId(4_000), pagedUser(4_000));
  r.clerk.users.delete(pagedId(8));
  const run = await reconcileNow(r);
  expect(figuresOf(run)).toEqual({ status: "done", seen: 1_200, applied: 2, unchanged: 1_200, deleted: 1, drift: 3 });
  expect((await scheduledRuns(r)).map((row) => row.full)).toEqual([true, true]);
  expect((await r.t.services.users.getUser(pagedId(8))).state).toBe("deleted");
});

test("a user whom Clerk dates far ahead hides no other user's changes from the runs of a day", async () => {
  const r = await openRunsTest(5);
  r.clerk.users.set(pagedId(1), pagedUser(1, { updated_at: Date.parse("2099-01-01T00:00:00Z") }));
  expect(figuresOf(await reconcileNow(r))).toMatchObject({ seen: 5, applied: 5 });
  r.clerk.users.set(pagedId(2), pagedUser(2, { first_name: "Changed", updated_at: Date.now() }));
  const run = await reconcileNow(r);
  expect(run.driftByKind).toEqual({ missing: 0, stale: 1, deleted: 0 });
  expect((await r.t.services.users.getUser(pagedId(2))).user?.name).toContain("Changed");
});

test("changes and deletions during an incremental listing skip no user", async () => {
  const r = await openRunsTest(2_000);
  await r.runs.startScheduled({ everyMs: 1, firstDueInMs: 0 });
  const first = (await r.runs.list({ limit: 1 }))[0]?.runId ?? "";
  await r.runs.waitFor(first);
  for (const [id, user] of r.clerk.users)
    r.clerk.users.set(id, { ...user, first_name: "Again", updated_at: Number(user["updated_at"]) * 2 });
  r.clerk.onList = (query) => {
    if (query.offset !== 450) return;
    // More than two pages show in common: every user below moves up by 120 places.
    for (let n = 1_990; n > 1_870; n -= 1) r.clerk.users.delete(pagedId(n));
    r.clerk.onList = () => undefined;
  };
  await r.runs.startScheduled({ everyMs: 1, firstDueInMs: 0 });
  const run = (await r.runs.list({ limit: 1 }))[0]?.runId ?? "";
  await r.runs.waitFor(run);
  expect(await r.runs.get(run)).toMatchObject({ status: "done", applied: 2_000 });
});

test("a new process takes over the run of an ended one before the interval is over", async () => {
  const r = await openRunsTest(600);
  await r.t.sql`
    insert into sync_runs (id, kind, status, started_by, lease_owner, lease_until)
    values (${crypto.randomUUID()}, 'backfill', 'running', 'person', 'dead', now() - interval '1 minute')`;
  const clock = createTestClock();
  schedule(r, { clock, everyMs: 60 * 60_000 });
  await clock.advance(9_999);
  expect((await r.runs.list({ limit: 1 }))[0]?.seen).toBe(0);
  await clock.advance(1);
  await waitUntil(async () => (await r.runs.list({ limit: 1 }))[0]?.status === "done", 15_000);
  expect(figuresOf((await r.runs.list({ limit: 1 }))[0] as never)).toEqual({ status: "done", seen: 600, applied: 600 });
});

test("without a key nothing is scheduled, which is logged once; with interval 0 nothing is logged", async () => {
  const r = await openRunsTest(1);
  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
  const runs = {
    findSleepMs: () => Promise.reject(new Error("asked")),
    takeOver: () => Promise.reject(new Error("asked")),
    startScheduled: () => Promise.reject(new Error("asked")),
  };
  const retention = { sweep: () => Promise.resolve(0) };
  for (const reconcileEveryMs of [20, 0]) {
    const clock = createTestClock();
    const scheduler = startScheduler({
      runs,
      retention,
      database: inUse,
      reconcileEveryMs,
      keepMs: dayMs,
      hasClerkKey: reconcileEveryMs === 0,
      log,
      clock,
    });
    if (reconcileEveryMs > 0) await clock.advance(dayMs);
    scheduler.stop();
  }
  expect(lines.length).toBe(1);
  expect(lines[0]).toContain("CLERK_SECRET_KEY is not set");
  expect(await scheduledRuns(r)).toHaveLength(0);
});
