import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";
import { startClerkTraffic } from "../support/clerkTraffic.ts";
import { lastRelease, openLastRelease } from "../support/programs.ts";
import {
  expectNothingLost,
  openRollingUpdate,
  readFunctions,
  type Copy,
  type RollingUpdate,
} from "../support/rollingUpdate.ts";
import { waitUntil } from "../support/runs.ts";
import { openForTest } from "../support/toClose.ts";

/** A backfill of 16 pages, which has to outlast the hand-overs. */
const usersCount = 8_000;
const slow = { kind: "slow", ms: 2_000 } as const;
/** Clerk answers nothing before the copy that asks is replaced. */
const silent = { kind: "slow", ms: 60_000 } as const;

test(`from ${lastRelease.version}: both versions serve while one replaces the other, and the old migrate changes nothing`, async () => {
  const update = await openRollingUpdate({ users: usersCount });
  const { db, clerk } = update;
  const { folder } = await openForTest(openLastRelease());
  await update.run(["migrate"], { folder });
  const firstOld = await update.start({ folder, hasClerk: true });
  const traffic = await openForTest(startClerkTraffic(clerk, { copies: update.copies }));
  clerk.setFault(slow);
  const { runId } = await firstOld.client.runs.start.mutate({ kind: "backfill" });
  await waitForProgress(firstOld, runId);

  await update.run(["migrate"]);
  await waitForProgress(firstOld, runId);
  await Bun.sleep(500);
  const copies = [firstOld];
  // From the release to this version; to a copy of the release as one that crashed and is started again; and on.
  for (const taking of [{}, { folder }, {}]) {
    const leaving = copies.at(-1) ?? firstOld;
    clerk.setFault(silent);
    const copy = await update.start({ ...taking, hasClerk: true });
    copies.push(copy);
    if (leaving === firstOld) await expectOperable(update, { copy: leaving, folder });
    clerk.setFault({ ...slow, ms: slow.ms / 2 });
    await leaving.retire();
    await takeOver(copy, runId);
    await waitForProgress(copy, runId);
  }
  clerk.setFault(undefined);
  const lastCopy = copies.at(-1) ?? firstOld;
  const status = async () => (await lastCopy.client.runs.get.query({ runId })).status;
  await waitUntil(async () => (await status()) !== "running", 30_000);
  expect(await status()).toBe("done");

  const functions = await readFunctions(db);
  await update.run(["migrate"], { folder });
  expect(await readFunctions(db)).toEqual(functions);
  await Bun.sleep(500);
  await traffic.stop();

  expect(copies.flatMap(({ unready }) => unready)).toEqual([]);
  await expectNothingLost(update, traffic);
  // What this version has counted in the last second it adds to the older one's figures once that second is over.
  await waitUntil(async () => {
    await db.sql`select ${db.sql(functionsSchema)}.roll_up_counters('{"row_limit": 500}')`;
    return (await db.sql`select from event_counters_recent`).length === 0;
  }, 5_000);
  const [figures, oldFigures] = await Promise.all([readFigures(update), readFigures(update, folder)]);
  expect(oldFigures).toEqual(figures);
}, 150_000);

/** Of the copy that is left; its scheduler may have taken the run over just before. */
async function takeOver({ client }: Copy, runId: string): Promise<void> {
  const said = await client.runs.start.mutate({ kind: "backfill" }).then(
    (run) => run.runId,
    (error: Error) => error.message,
  );
  expect(said).toContain(runId);
}

/** Until this copy has written a page more. */
async function waitForProgress({ client }: Copy, runId: string): Promise<void> {
  const seen = async () => (await client.runs.get.query({ runId })).seen;
  const before = await seen();
  await waitUntil(async () => (await seen()) > before, 20_000);
}

/** What an operator has of an old copy beside its deliveries. */
async function expectOperable(update: RollingUpdate, { copy, folder }: { copy: Copy; folder: string }): Promise<void> {
  const { client } = copy;
  const { items } = await client.events.list.query({ outcome: "applied", limit: 1 });
  expect(await client.events.get.query({ svixId: items[0]?.svixId ?? "" })).toMatchObject({ outcome: "applied" });
  expect((await client.sync.status.query()).events.applied).toBeGreaterThan(0);
  // Of the first page of the backfill; the deliveries are about others.
  const oldest = { limit: 1, orderBy: { field: "created_at", descending: false } } as const;
  const clerkId = update.clerk.directory.list(oldest)[0]?.id ?? "";
  const { mentorado } = await client.sync.user.query({ clerkId });
  const mentoradoId = mentorado?.id ?? 0;
  await client.links.unlink.mutate({ mentoradoId });
  expect((await client.links.conflicts.query({})).items).toMatchObject([
    { clerkId, candidates: [{ id: mentoradoId }] },
  ]);
  await client.links.resolve.mutate({ clerkId, mentoradoId });
  const status = JSON.parse(await update.run(["status", clerkId, "--json"], { folder })) as unknown;
  expect(status).toMatchObject({ state: "synced", link: "linked", mentorado: { id: mentoradoId } });
}

async function readFigures(update: RollingUpdate, folder?: string): Promise<unknown> {
  const { users, links, events, duplicates } = JSON.parse(await update.run(["status", "--json"], { folder })) as Record<
    string,
    unknown
  >;
  return { users, links, events, duplicates };
}

test("in a clone without the release's commit the error names the command that fetches it", () => {
  const repository = mkdtempSync(join(tmpdir(), "clerk-neon-sync-shallow-"));
  spawnSync("git", ["init", "--quiet", repository]);
  expect(() => openLastRelease({ repository })).toThrow("git fetch --unshallow");
  rmSync(repository, { recursive: true });
});
