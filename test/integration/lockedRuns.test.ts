import { expect, test } from "bun:test";
import type { TransactionSql } from "postgres";
import { startMs } from "../support/events.ts";
import { whileLocked } from "../support/lockedRows.ts";
import { figuresOf, openRunsTest, waitUntil } from "../support/runs.ts";
import { createTestClock } from "../support/testClock.ts";

test("a run waits for a locked user while it writes the others, and counts each once", async () => {
  const r = await openRunsTest(60);
  await r.run("backfill");
  for (const [id, user] of r.clerk.users) r.clerk.users.set(id, { ...user, updated_at: startMs + 9_000_000 });
  const lock = (tx: TransactionSql) => tx`select from users where clerk_id = 'user_P00007' for update`;
  let runId = "";
  await whileLocked(r.t, lock, async () => {
    runId = (await r.runs.start({ kind: "reconcile" })).runId;
    const written = async () =>
      (await r.t.sql`select count(*)::integer as n from users where sync_source = 'reconcile'`)[0]?.["n"] === 59;
    await waitUntil(written, 5_000);
    expect((await r.runs.get(runId)).status).toBe("running");
    const [row] = await r.t.sql`select cursor -> 'busyIds' as busy from sync_runs where id = ${runId}`;
    expect(row).toEqual({ busy: ["user_P00007"] });
  });
  await r.runs.waitFor(runId);
  expect(figuresOf(await r.runs.get(runId))).toMatchObject({ status: "done", seen: 60 });
  expect(await r.t.findUser("user_P00007")).toMatchObject({ sync_source: "reconcile" });
});

test("a run names a user who stays locked, and has written all others", async () => {
  const clock = createTestClock();
  const r = await openRunsTest(5, { clock });
  const insert = (tx: TransactionSql) => tx`insert into users (clerk_id, name) values ('user_P00003', 'Theirs')`;
  await whileLocked(r.t, insert, async () => {
    const { runId } = await r.runs.start({ kind: "backfill" });
    for (; (await r.runs.get(runId)).status === "running"; await Bun.sleep(20)) await clock.advance(1_000);
    const run = await r.runs.get(runId);
    expect(figuresOf(run)).toEqual({ status: "failed", seen: 5, applied: 4 });
    expect(run.error).toContain("user_P00003");
  });
});
