import { describe, expect, test } from "bun:test";
import { deletedEvent, startMs, userEvent } from "../support/events.ts";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { expectEqualToClerk, figuresOf, openRunsTest, versionsOf, type RunsTest } from "../support/runs.ts";

/** Clerk and the tables are one, and then a week of webhooks is lost: 40 made, 25 changed, 15 deleted. */
async function openAfterLostWeek(): Promise<RunsTest> {
  const r = await openRunsTest(1_200);
  await r.run("backfill");
  for (let n = 2_000; n < 2_040; n += 1) r.clerk.users.set(pagedId(n), pagedUser(n));
  for (let n = 100; n < 125; n += 1) {
    r.clerk.users.set(pagedId(n), pagedUser(n, { first_name: "Changed", updated_at: startMs * 1.01 }));
  }
  for (let n = 600; n < 615; n += 1) r.clerk.users.delete(pagedId(n));
  return r;
}

describe("a reconcile started by a person", () => {
  test("makes the tables equal to Clerk after a week of lost webhooks and counts the exact drift", async () => {
    const r = await openAfterLostWeek();
    const run = await r.run("reconcile");
    expect(figuresOf(run)).toEqual({
      status: "done",
      seen: 1_225,
      applied: 65,
      unchanged: 1_160,
      deleted: 15,
      drift: 80,
    });
    expect(run.driftByKind).toEqual({ missing: 40, stale: 25, deleted: 15 });
    await expectEqualToClerk(r);
    const sources = await r.t.sql<{ source: string; count: number }[]>`
      select sync_source as source, count(*)::int as count from users group by 1 order by 1`;
    expect(sources.map(({ source, count }) => [source, count])).toEqual([
      ["backfill", 1_160],
      ["reconcile", 80],
    ]);
    const status = await r.t.services.status.getStatus();
    expect(status).toMatchObject({ drift: 80, lastRun: { runId: run.runId, kind: "reconcile" } });
    const before = await versionsOf(r.t);
    expect(figuresOf(await r.run("reconcile"))).toEqual({ status: "done", seen: 1_225, unchanged: 1_225 });
    expect(await versionsOf(r.t)).toBe(before);
  });

  test("as a dry run reports the same figures and writes only its record", async () => {
    const r = await openAfterLostWeek();
    const before = await versionsOf(r.t);
    const dry = await r.run("reconcile", { dryRun: true });
    expect(await versionsOf(r.t)).toBe(before);
    const { dryRun, driftByKind } = dry;
    const said: Record<string, unknown> = { dryRun, driftByKind, ...figuresOf(dry) };
    expect(said).toEqual({
      dryRun: true,
      driftByKind: { missing: 40, stale: 25, deleted: 15 },
      status: "done",
      seen: 1_225,
      applied: 65,
      unchanged: 1_160,
      deleted: 15,
      drift: 80,
    });
    expect(figuresOf(await r.run("reconcile"))).toEqual(figuresOf(dry));
  });

  test("repairs a row that was changed here, whatever its age", async () => {
    const r = await openRunsTest(10);
    await r.run("backfill");
    await r.t.sql`update users set name = 'Changed' where clerk_id = ${pagedId(3)}`;
    await r.t.sql`update users set raw_json = '{}' where clerk_id = ${pagedId(4)}`;
    expect(figuresOf(await r.run("reconcile"))).toMatchObject({ applied: 2, drift: 2 });
    await expectEqualToClerk(r);
  });

  test("a user written by a webhook and unchanged in Clerk's API is not drift", async () => {
    const r = await openRunsTest(5);
    for (const user of r.clerk.users.values()) await r.t.deliver(userEvent(user));
    expect(figuresOf(await r.run("reconcile"))).toEqual({ status: "done", seen: 5, unchanged: 5 });
  });

  test("values that change by themselves at Clerk (activity, countdown of a lock) are not drift and write nothing", async () => {
    const r = await openRunsTest(5);
    for (const [id, user] of r.clerk.users)
      r.clerk.users.set(id, { ...user, last_active_at: startMs, lockout_expires_in_seconds: 90 });
    await r.run("backfill");
    const before = await versionsOf(r.t);
    for (const [id, user] of r.clerk.users)
      r.clerk.users.set(id, { ...user, last_active_at: startMs + 1, lockout_expires_in_seconds: 80 });
    expect(figuresOf(await r.run("reconcile"))).toEqual({ status: "done", seen: 5, unchanged: 5 });
    expect(await versionsOf(r.t)).toBe(before);
    r.clerk.users.set(pagedId(1), pagedUser(1, { last_active_at: startMs, updated_at: startMs * 2 }));
    expect(figuresOf(await r.run("reconcile"))).toMatchObject({ applied: 1, drift: 1 });
  });

  test("relinks users without a mentorado; a new link counts as applied, not as drift", async () => {
    const r = await openRunsTest(3);
    const email = `${pagedId(1).slice(5).toLowerCase()}@example.com`;
    const rows = await r.t.sql<{ id: number }[]>`
      insert into mentorados (nome_completo, email, turma) values ('A', ${email}, 'neon_escala'), ('B', ${email}, 'neon_escala') returning id`;
    await r.run("backfill");
    expect((await r.t.services.users.getUser(pagedId(1))).link).toBe("conflict");
    await r.t.sql`delete from mentorados where id = ${rows[0]?.id ?? 0}`;
    expect(figuresOf(await r.run("reconcile"))).toEqual({ status: "done", seen: 3, applied: 1, unchanged: 2 });
    expect((await r.t.services.users.getUser(pagedId(1))).mentorado?.id).toBe(rows[1]?.id ?? 0);
  });

  test("a deleted user whom Clerk still lists stays deleted and counts as stale", async () => {
    const r = await openRunsTest(3);
    await r.t.deliver(deletedEvent(pagedId(2)));
    expect(figuresOf(await r.run("reconcile"))).toMatchObject({ seen: 3, applied: 2, stale: 1, drift: 2 });
    expect((await r.t.services.users.getUser(pagedId(2))).state).toBe("deleted");
  });
});
