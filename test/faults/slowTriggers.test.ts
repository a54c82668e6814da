import { expect, test } from "bun:test";
import { clerkUser, userEvent } from "../support/events.ts";
import { openRunsTest } from "../support/runs.ts";
import { expectUndelayed, startSteadyLoad } from "../support/steadyLoad.ts";
import { openTestApp, type TestApp } from "../support/testApp.ts";
import { openForTest } from "../support/toClose.ts";

/** Each new mentorado takes so much of the database's time. */
async function slowDown(t: Pick<TestApp, "sql">, rowMs: number): Promise<void> {
  await t.sql.unsafe(`
    create function team_slow() returns trigger language plpgsql as $$ begin perform pg_sleep(${rowMs / 1_000}); return new; end $$;
    create trigger team_slow before insert on mentorados for each row execute function team_slow()`);
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
