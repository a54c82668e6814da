import { expect, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { createInstanceCheck } from "../../src/service/instanceCheck.ts";
import { createRunsService } from "../../src/service/runs/runsService.ts";
import { openDatabase } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { createUserWriter } from "../../src/store/users/userWriter.ts";
import { moveDatabaseClock } from "../support/testDatabase.ts";
import { toClose } from "../support/toClose.ts";
import { pagedId } from "../support/pagedClerk.ts";
import { figuresOf, holdPages, openRunsTest, waitUntil, type RunsTest } from "../support/runs.ts";

/** A run that no process works on, as after kill -9, its lease as the living process left it. */
async function openOrphan(r: RunsTest) {
  const database = openDatabase({ dsn: parseDsn(r.t.db.url), databasePoolMax: 2 });
  toClose.unshift(() => database.close());
  const dying = createRunsService({
    database,
    writer: createUserWriter({ database, defaultTurma: "neon_estrutura" }),
    clerk: r.clerk.api,
    instanceCheck: createInstanceCheck({ database }),
    log: silentLog,
  });
  const held = holdPages(r);
  const { runId } = await dying.start({ kind: "reconcile" });
  await held.reached;
  await waitUntil(async () => (await r.runs.get(runId)).seen === 500, 5_000);
  // From now on nothing of it reaches the database any more.
  await database.close();
  r.clerk.onList = () => undefined;
  return { runId, letGo: held.letGo };
}

test("a run whose process died is taken over within 10 s by a start, resumes from its cursor, and ends with the right figures", async () => {
  const r = await openRunsTest(1_200);
  await r.t.sql`insert into users (clerk_id) values ('user_Gone'), (${pagedId(1)})`;
  const { runId, letGo } = await openOrphan(r);
  expect(await r.runs.start({ kind: "reconcile" }).catch((error: { code: string }) => error.code)).toBe("conflict");
  await moveDatabaseClock(r.t.db, 10_000);
  expect(await r.runs.start({ kind: "reconcile" })).toEqual({ runId });
  letGo();
  await r.runs.waitFor(runId);
  expect(figuresOf(await r.runs.get(runId))).toEqual({
    status: "done",
    seen: 1_200,
    applied: 1_200,
    deleted: 1,
    drift: 1_201,
  });
  expect(r.clerk.asked.filter((what) => what === "list +created_at").length).toBe(1);
}, 20_000);

test("a run whose process died is not resumed by a start with another dryRun value: it ends as failed", async () => {
  const r = await openRunsTest(600);
  const { runId, letGo } = await openOrphan(r);
  letGo();
  await r.t.sql`update sync_runs set lease_until = now() where id = ${runId}`;
  const run = await r.run("reconcile", { dryRun: true });
  expect(run).toMatchObject({ dryRun: true, status: "done" });
  expect(await r.runs.get(runId)).toMatchObject({ status: "failed", error: "The process that worked on it ended." });
});

test("a process that was only slow writes nothing more once another has taken over", async () => {
  const r = await openRunsTest(1_200);
  const held = holdPages(r);
  const { runId } = await r.runs.start({ kind: "backfill" });
  await held.reached;
  await waitUntil(async () => (await r.runs.get(runId)).seen === 500, 5_000);
  await r.t
    .sql`update sync_runs set lease_owner = 'another', lease_until = now() + interval '1 minute' where id = ${runId}`;
  held.letGo();
  await r.runs.waitFor(runId);
  expect(await r.runs.get(runId)).toMatchObject({ status: "running", seen: 500 });
  const [row] = await r.t.sql`select count(*)::int as count from users`;
  expect(row?.["count"]).toBe(500);
});

test("a process that shuts down releases its run at once, and another process resumes it", async () => {
  const r = await openRunsTest(1_200);
  const held = holdPages(r);
  const leaving = r.otherProcess();
  const { runId } = await leaving.start({ kind: "backfill" });
  await held.reached;
  await waitUntil(async () => (await r.runs.get(runId)).seen === 500, 5_000);
  held.letGo();
  await leaving.close();
  expect(await r.runs.get(runId)).toMatchObject({ status: "running", finishedAt: null });
  await r.runs.takeOver();
  await r.runs.waitFor(runId);
  expect(figuresOf(await r.runs.get(runId))).toEqual({ status: "done", seen: 1_200, applied: 1_200 });
  expect((await r.t.services.users.getUser(pagedId(1_199))).state).toBe("synced");
});
