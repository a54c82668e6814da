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

/** A backfill of 12 pages that takes 30 s as long as Clerk is slow: it outlasts what happens before it is taken over. */
const usersCount = 6_000;
const pageDelayMs = 2_500;

test(`from ${lastRelease.version}: both versions serve while one replaces the other, and the old migrate changes nothing`, async () => {
  const update = await openRollingUpdate({ users: usersCount });
  const { db, clerk } = update;
  const { folder } = await openForTest(openLastRelease());
  await update.run(["migrate"], { folder });
  const worker = await update.start({ folder, hasClerk: true });
  const other = await update.start({ folder });
  const traffic = await openForTest(startClerkTraffic(clerk, { copies: update.copies }));
  await clerk.setFault({ kind: "slow", ms: pageDelayMs });
  const { runId } = await worker.client.runs.start.mutate({ kind: "backfill" });
  const seen = async () => (await worker.client.runs.get.query({ runId })).seen;
  await waitUntil(async () => (await seen()) >= 500, 20_000);

  await update.run(["migrate"]);
  const seenAtMigration = await seen();
  await waitUntil(async () => (await seen()) > seenAtMigration, 20_000);
  const taker = await update.start({ hasClerk: true });
  await update.start();
  await Bun.sleep(1_000);
  await expectOperable(update, { copy: worker, folder });

  await worker.retire();
  expect(await taker.client.runs.start.mutate({ kind: "backfill" })).toEqual({ runId });
  await clerk.setFault(undefined);
  const status = async () => (await taker.client.runs.get.query({ runId })).status;
  await waitUntil(async () => (await status()) !== "running", 30_000);
  expect(await status()).toBe("done");
  await other.retire();

  const functions = await readFunctions(db);
  await update.run(["migrate"], { folder });
  expect(await readFunctions(db)).toEqual(functions);
  await Bun.sleep(500);
  await traffic.stop();

  expect([worker, other, ...update.copies()].flatMap(({ unready }) => unready)).toEqual([]);
  await expectNothingLost(update, traffic);
  const [figures, oldFigures] = await Promise.all([readFigures(update), readFigures(update, folder)]);
  expect(oldFigures).toEqual(figures);
}, 150_000);

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
