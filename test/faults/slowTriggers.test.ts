import { expect, test } from "bun:test";
import { clerkUser, startMs, userEvent } from "../support/events.ts";
import { pagedId } from "../support/pagedClerk.ts";
import { openRunsTest } from "../support/runs.ts";
import { expectUndelayed, startSteadyLoad } from "../support/steadyLoad.ts";
import { openTestApp, type TestApp } from "../support/testApp.ts";
import { startServerProcess, type ServerProcess } from "../support/serverProcess.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

/** Each new mentorado takes so much of the database's time. */
async function slowDown(t: Pick<TestApp, "sql">, rowMs: number): Promise<void> {
  await t.sql.unsafe(`
    create function team_slow() returns trigger language plpgsql as $$ begin perform pg_sleep(${rowMs / 1_000}); return new; end $$;
    create trigger team_slow before insert on mentorados for each row execute function team_slow()`);
}

/** Each write of one user's row takes so long. */
async function slowDownUser(t: Pick<TestApp, "sql">, clerkId: string, rowMs: number): Promise<void> {
  await t.sql.unsafe(`
    create function team_slow_user() returns trigger language plpgsql as $$ begin perform pg_sleep(${rowMs / 1_000}); return new; end $$;
    create trigger team_slow_user before insert or update on users for each row when (new.clerk_id = '${clerkId}')
      execute function team_slow_user()`);
}

test("a backfill under a trigger of 10 ms a row leaves deliveries under a second", async () => {
  const r = await openRunsTest(600);
  await slowDown(r.t, 10);
  const { runId } = await r.runs.start({ kind: "backfill" });
  const load = startSteadyLoad(r.t, { perSecond: 10 });
  await r.runs.waitFor(runId);
  expectUndelayed(await load.stop());
  expect(await r.runs.get(runId)).toMatchObject({ status: "done", applied: 600 });
});

test("300 sign-ups at once under a trigger of 16 ms a row are all answered 200", async () => {
  const t = await openForTest(openTestApp());
  await slowDown(t, 16);
  await t.deliver(userEvent(clerkUser("user_First")));
  const startedMs = performance.now();
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, n) => t.deliver(userEvent(clerkUser(`user_Burst${n}`)))),
  );
  if (process.env["TEST_PRINT_FIGURES"])
    console.error(
      `burst: ${answers.filter((a) => a.status !== 200).length} not 200, ${Math.round(performance.now() - startedMs)} ms`,
    );
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
});

test.each([1, 5])(
  "a trigger of 3 s for one user, delivered %i times a second, delays no other user by a second",
  async (perSecond) => {
    const t = await openForTest(openTestApp());
    await slowDownUser(t, "user_Slow", 3_000);
    const load = startSteadyLoad(t, { perSecond: 20 });
    const slow: ReturnType<TestApp["deliver"]>[] = [];
    for (let nth = 0; nth < 3 * perSecond; nth += 1) {
      await Bun.sleep(1_000 / perSecond);
      slow.push(t.deliver(userEvent(clerkUser("user_Slow", { updated_at: startMs + nth }))));
    }
    for (const { status, said, headers } of await Promise.all(slow)) {
      expect([status, said, Number(headers.get("retry-after")) > 0]).toEqual([503, "unavailable", true]);
    }
    const answers = await load.stop();
    expectUndelayed(answers);
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1_500);
    expect(await t.findUser("user_Slow")).toBeUndefined();
  },
);

test("a trigger of 2 s for one user: its delivery is applied while no other waits", async () => {
  const t = await openForTest(openTestApp());
  await slowDownUser(t, "user_Slow", 2_000);
  expect((await t.deliver(userEvent(clerkUser("user_Slow")))).said).toBe("applied");
});

test("a user whose trigger was slow is applied once it is quick again", async () => {
  const t = await openForTest(openTestApp());
  await slowDownUser(t, "user_Slow", 3_000);
  const load = startSteadyLoad(t, { perSecond: 20 });
  await Bun.sleep(200);
  const deliver = () => t.deliver(userEvent(clerkUser("user_Slow")), { svixId: "msg_slow" });
  expect((await deliver()).said).toBe("unavailable");
  await t.sql`drop trigger team_slow_user on users`;
  while ((await deliver()).said !== "applied") await Bun.sleep(500);
  const startedMs = performance.now();
  expect((await deliver()).said).toBe("duplicate");
  expect(performance.now() - startedMs).toBeLessThan(1_000);
  expectUndelayed(await load.stop());
});

test("a trigger of 1 s for every user: after a few deliveries that are 503 the others are applied one by one", async () => {
  const t = await openForTest(openTestApp());
  await slowDown(t, 1_000);
  const ids = Array.from({ length: 6 }, (_, n) => `user_All${n}`);
  const answers = await Promise.all(ids.map((id) => t.deliver(userEvent(clerkUser(id)))));
  expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(3);
});

test("a trigger of 3 s for one user in the middle of a backfill delays no delivery by a second, and that user is applied later", async () => {
  const r = await openRunsTest(100);
  await slowDownUser(r.t, pagedId(50), 3_000);
  const load = startSteadyLoad(r.t, { perSecond: 20 });
  const { runId } = await r.runs.start({ kind: "backfill" });
  await Bun.sleep(4_000);
  expectUndelayed(await load.stop());
  await r.runs.waitFor(runId);
  expect(await r.runs.get(runId)).toMatchObject({ status: "done", applied: 100 });
});

test("a trigger of 3 s for a user of one replica delays no delivery of another replica by a second", async () => {
  const db = await openForTest(openTestDatabase());
  const servers = [await openForTest(startServerProcess({ databaseUrl: db.url }))];
  servers.push(await openForTest(startServerProcess({ databaseUrl: db.url })));
  const [one, other] = servers as [ServerProcess, ServerProcess];
  await slowDownUser(db, "user_Slow", 3_000);
  const load = startSteadyLoad(other, { perSecond: 20 });
  for (let nth = 0; nth < 3; nth += 1) {
    await Bun.sleep(400);
    expect((await one.deliver(userEvent(clerkUser("user_Slow")), { svixId: "msg_slow" })).said).toBe("unavailable");
  }
  expectUndelayed(await load.stop());
});
