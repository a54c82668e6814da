import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
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
  clerk.setFault(silent);
  // As one that crashed and is started again.
  const secondOld = await update.start({ folder, hasClerk: true });
  const firstNew = await update.start({ hasClerk: true });
  const secondNew = await update.start({ hasClerk: true });
  await Bun.sleep(1_000);
  await expectOperable(update, { copy: secondOld, folder });

  clerk.setFault({ ...slow, ms: slow.ms / 2 });
  for (const [leaving, taking] of [
    [firstOld, firstNew],
    [firstNew, secondOld],
    [secondOld, secondNew],
  ] as const) {
    await leaving.retire();
    expect(await taking.client.runs.start.mutate({ kind: "backfill" })).toEqual({ runId });
    await waitForProgress(taking, runId);
  }
  clerk.setFault(undefined);
  const status = async () => (await secondNew.client.runs.get.query({ runId })).status;
  await waitUntil(async () => (await status()) !== "running", 30_000);
  expect(await status()).toBe("done");

  const functions = await readFunctions(db);
  await update.run(["migrate"], { folder });
  expect(await readFunctions(db)).toEqual(functions);
  await Bun.sleep(500);
  await traffic.stop();

  expect([firstOld, secondOld, firstNew, secondNew].flatMap(({ unready }) => unready)).toEqual([]);
  await expectNothingLost(update, traffic);
  const [figures, oldFigures] = await Promise.all([readFigures(update), readFigures(update, folder)]);
  expect(oldFigures).toEqual(figures);
}, 150_000);

/** Until this copy has written a page more. */
async function waitForProgress({ client }: Copy, runId: string): Promise<void> {
  const seen = async () => (await client.runs.get.query({ runId })).seen;
  const before = await seen();
  await waitUntil(async () => (await seen()) > before, 20_000);
}

/** What an operator has of an old copy beside its deliveries. */
async function expectOperable(update: RollingUpdate, { copy, folder }: { copy: Copy; folder: string }): Promise<void> {
  const { items } = await copy.client.events.list.query({ outcome: "applied", limit: 1 });
  const clerkId = items[0]?.clerkId ?? "";
  expect((await copy.client.sync.user.query({ clerkId })).state).not.toBe("missing");
  expect((await copy.client.sync.status.query()).events.applied).toBeGreaterThan(0);
  expect(JSON.parse(await update.run(["status", clerkId, "--json"], { folder }))).toMatchObject({ clerkId });
}

async function readFigures(update: RollingUpdate, folder?: string): Promise<unknown> {
  const { users, links, events, duplicates } = JSON.parse(await update.run(["status", "--json"], { folder })) as Record<
    string,
    unknown
  >;
  return { users, links, events, duplicates };
}

test("a clone without the release's commit is told which command fetches it", () => {
  const repository = mkdtempSync(join(tmpdir(), "clerk-neon-sync-shallow-"));
  spawnSync("git", ["init", "--quiet", repository]);
  expect(() => openLastRelease({ repository })).toThrow("git fetch --unshallow");
  rmSync(repository, { recursive: true });
});
