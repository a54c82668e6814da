import { expect, test } from "bun:test";
import { clerkUser, startMs, userEvent } from "../support/events.ts";
import { startServerProcess, type ServerProcess } from "../support/serverProcess.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { writerLock } from "../support/writerLock.ts";
import { openForFile } from "../support/toClose.ts";

const db = openForFile(() => openTestDatabase());

const sendersCount = 24;
const usersCount = 60;
/** Svix's schedule has eight tries; here they are a second apart at most, for a replica takes about one to start. */
const retryAfterMs = [20, 100, 300, 1000, 1000, 1000, 1000];

test("replacing each of two replicas under load loses no delivery that was answered 200 and fails none for good", async () => {
  const replicas = await Promise.all([start(), start()]);
  const accepted = new Map<string, string>();
  const failedForGood: string[] = [];
  let repeated = 0;
  let sent = 0;
  const over = new AbortController();

  /** As Svix does: the same svix-id, signed anew, until it is answered 2xx. Knows nothing of updates. */
  async function send(nth: number): Promise<void> {
    const svixId = `msg_${nth}`;
    const user = clerkUser(`user_R${nth % usersCount}`, { updated_at: startMs + nth, first_name: `Name${nth}` });
    for (let tries = 0; tries <= retryAfterMs.length; tries += 1) {
      const replica = replicas[(nth + tries) % 2] as ServerProcess;
      const { status, said } = await replica.deliver(userEvent(user), { svixId });
      if (status === 200) {
        accepted.set(svixId, said);
        return;
      }
      repeated += 1;
      await Bun.sleep(retryAfterMs[tries] ?? 0);
    }
    failedForGood.push(svixId);
  }

  async function sendOn(): Promise<void> {
    while (!over.signal.aborted) await send(sent++);
  }

  const senders = Promise.all(Array.from({ length: sendersCount }, sendOn));
  for (const place of [0, 1]) {
    await Bun.sleep(500);
    const old = replicas[place] as ServerProcess;
    const release = await holdWriters();
    // Every sender waits for an answer now, half of them for one of the replica that goes.
    await Bun.sleep(200);
    old.signal("SIGTERM");
    await Bun.sleep(800);
    await release();
    expect(await old.ended).toBe(0);
    replicas[place] = await start();
  }
  await Bun.sleep(500);
  over.abort();
  await senders;

  expect(failedForGood).toEqual([]);
  expect(accepted.size).toBe(sent);
  // Otherwise the load never noticed that a replica was gone.
  expect(repeated).toBeGreaterThan(0);
  // A delivery that was committed has been answered, also by a replica on its way out: none came as its repetition.
  expect([...accepted].filter(([, outcome]) => outcome === "duplicate")).toEqual([]);
  const ledger = await db.sql<{ svixId: string }[]>`select svix_id as "svixId" from webhook_events`;
  expect(ledger.map((row) => row.svixId).sort()).toEqual([...accepted.keys()].sort());
  const newest = new Map<string, string>();
  for (let nth = 0; nth < sent; nth += 1) newest.set(`user_R${nth % usersCount}`, `Name${nth} Souza`);
  const users = await db.sql<{ id: string; name: string }[]>`select clerk_id as id, name from users`;
  expect(new Map(users.map(({ id, name }) => [id, name]))).toEqual(newest);
  for (const replica of replicas) {
    replica.signal("SIGTERM");
    expect(await replica.ended).toBe(0);
  }
}, 60_000);

/** No batch is written until the answered function is called: the lock is the one that `apply_user_changes` takes. */
async function holdWriters(): Promise<() => Promise<void>> {
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const holding = db.sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${writerLock})`;
    held.resolve();
    await released.promise;
  });
  await held.promise;
  return async () => {
    released.resolve();
    await holding;
  };
}

function start(): Promise<ServerProcess> {
  return startServerProcess({ databaseUrl: db.url, env: { LOG_LEVEL: "info" } });
}
