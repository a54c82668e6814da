import { expect, test } from "bun:test";
import type { SyncRun } from "../../src/domain/syncRun.ts";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { openRunsTest, type RunsTest } from "../support/runs.ts";

/** Before each page that Clerk answers three users sign up; far more often than any run may ask. */
function letUsersSignUp(r: RunsTest, toTimeMs: (n: number) => number): void {
  let next = 50_000;
  r.clerk.onList = (_query, nth) => {
    if (nth > 200) throw new Error("The pass does not end.");
    for (let last = next + 3; next < last; next += 1) {
      const atMs = toTimeMs(next);
      r.clerk.users.set(pagedId(next), pagedUser(next, { created_at: atMs, updated_at: atMs }));
    }
  };
}

const runs: Record<string, (r: RunsTest) => Promise<SyncRun>> = {
  "a backfill": (r) => r.run("backfill"),
  "a full reconcile": (r) => r.run("reconcile"),
  "a reconcile of what changed": async (r) => {
    await r.runs.startScheduled({ everyMs: 3_600_000, firstDueInMs: 0 });
    const [run] = await r.runs.list({ limit: 1 });
    await r.runs.waitFor(run?.runId ?? "");
    return r.runs.get(run?.runId ?? "");
  },
};
const times: Record<string, (n: number) => number> = {
  "the machine's time": () => Date.now(),
  "times of Clerk's own": (n) => Number(pagedUser(n)["created_at"]),
};

test.each(Object.keys(runs).flatMap((run) => Object.keys(times).map((time) => [run, time] as const)))(
  "%s ends though three users sign up at every request, under %s, and covers the users there were",
  async (name, time) => {
    const r = await openRunsTest(700);
    if (name === "a reconcile of what changed") {
      // The full one of the day, so that the next of the schedule is not; a change of every user is then missed.
      await runs[name]?.(r);
      await r.t.sql`update sync_runs set started_at = started_at - interval '2 hours'`;
      for (let n = 0; n < 700; n += 1)
        r.clerk.users.set(pagedId(n), pagedUser(n, { first_name: "Changed", updated_at: Date.now() - 60_000 }));
    }
    letUsersSignUp(r, times[time] ?? Date.now);
    const run = await runs[name]?.(r);
    expect(run).toMatchObject({ status: "done", error: null });
    const [row] = await r.t.sql`
      select count(*)::int as count from users where clerk_id < ${pagedId(700)} and
        (name like 'Changed%') = ${name === "a reconcile of what changed"}`;
    expect(row?.["count"]).toBe(700);
    // The next run takes what this one left.
    r.clerk.onList = () => undefined;
    expect(await r.run("backfill")).toMatchObject({ status: "done", seen: r.clerk.users.size });
  },
  30_000,
);
