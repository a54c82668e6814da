import { expect, setDefaultTimeout, test } from "bun:test";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { openSleepStage } from "../support/sleepingDatabase.ts";

setDefaultTimeout(60_000);

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

test("an idle instance connects to the database at most twice a day, each of two replicas for itself, though probed", async () => {
  const stage = await openSleepStage({ processes: 2 });
  await stage.pass(dayMs);
  for (let day = 0; day < 4; day += 1) {
    for (const touches of await stage.pass(dayMs)) expect(touches).toBeLessThanOrEqual(2);
  }
  const [runs] = await stage.db.sql<{ full: number; other: number }[]>`
    select count(*) filter (where "full")::int as "full", count(*) filter (where not "full")::int as other from sync_runs`;
  // A full one a day; another only while the second replica had not learned of the first's.
  expect(runs?.full).toBe(5);
  expect(runs?.other).toBeLessThanOrEqual(1);
});

test("what changed at Clerk while the webhook was lost is found by the next scheduled run", async () => {
  const stage = await openSleepStage();
  const [server] = stage.processes;
  const stateOf = async (n: number) =>
    (
      await stage.db.sql`
    select name, deleted_at is not null as deleted from users where clerk_id = ${pagedId(n)}`
    )[0];
  const { users } = stage.clerk;
  await stage.pass(2 * dayMs);
  users.set(pagedId(2), pagedUser(2, { first_name: "Changed", updated_at: stage.clock.nowMs() }));
  await stage.pass(hourMs);
  expect(await stateOf(2)).toMatchObject({ name: "Changed Souza" });
  const signUp = (n: number) =>
    users.set(pagedId(n), pagedUser(n, { created_at: stage.clock.nowMs(), updated_at: stage.clock.nowMs() }));
  signUp(50);
  await stage.pass(hourMs);
  expect(await stateOf(50)).toMatchObject({ deleted: false });
  users.delete(pagedId(3));
  await stage.pass(hourMs);
  expect(await stateOf(3)).toMatchObject({ deleted: true });
  users.delete(pagedId(4));
  signUp(51);
  await stage.pass(hourMs);
  expect(await stateOf(4)).toMatchObject({ deleted: true });
  expect(await stateOf(51)).toMatchObject({ deleted: false });
  // A user dated far ahead hides no other.
  users.set(pagedId(6), pagedUser(6, { updated_at: Date.parse("2099-01-01T00:00:00Z") }));
  await stage.pass(hourMs);
  users.set(pagedId(5), pagedUser(5, { first_name: "Later", updated_at: stage.clock.nowMs() }));
  await stage.pass(hourMs);
  expect(await stateOf(5)).toMatchObject({ name: "Later Souza" });
  expect(await stage.pass(12 * hourMs)).toEqual([0]);
  expect(server?.link.accepted()).toBeGreaterThan(0);
});

test("a function that is kept running and called each hour does so too, and finds what changed and what is too old", async () => {
  const stage = await openSleepStage({ isFunction: true });
  await stage.pass(dayMs);
  for (let day = 0; day < 3; day += 1) expect((await stage.pass(dayMs))[0]).toBeLessThanOrEqual(2);
  const runs = await stage.db.sql`select from sync_runs where "full" and status = 'done'`;
  expect(runs).toHaveLength(4);
  stage.clerk.users.set(pagedId(2), pagedUser(2, { first_name: "Changed", updated_at: stage.clock.nowMs() }));
  await stage.pass(hourMs);
  const [user] = await stage.db.sql`select name from users where clerk_id = ${pagedId(2)}`;
  expect(user).toMatchObject({ name: "Changed Souza" });
  const keyless = await openSleepStage({ isFunction: true, env: { NO_KEY: "1", EVENT_RETENTION_DAYS: "1" } });
  await keyless.db.sql`
    insert into webhook_events (svix_id, received_at, settled_at, outcome, payload)
    values ('msg_1', now(), now(), 'ignored', '{}')`;
  await keyless.pass(dayMs);
  for (let day = 0; day < 2; day += 1) expect((await keyless.pass(dayMs))[0]).toBeLessThanOrEqual(2);
  expect(await keyless.db.sql`select from webhook_events where payload is not null`).toHaveLength(0);
});

test("without a Clerk key the database is woken once a day, and payloads go when their time is over", async () => {
  const stage = await openSleepStage({ env: { NO_KEY: "1", EVENT_RETENTION_DAYS: "1" } });
  await stage.db.sql`
    insert into webhook_events (svix_id, received_at, settled_at, outcome, payload)
    values ('msg_1', now(), now(), 'ignored', '{}')`;
  const payloads = () => stage.db.sql`select from webhook_events where payload is not null`;
  await stage.pass(23 * hourMs);
  expect(await payloads()).toHaveLength(1);
  await stage.pass(8 * hourMs);
  expect(await payloads()).toHaveLength(0);
  await stage.pass(dayMs);
  for (let day = 0; day < 2; day += 1) expect((await stage.pass(dayMs))[0]).toBeLessThanOrEqual(2);
});

test("readiness asks a database that is used at every probe, one that sleeps after a day, one that is away at once", async () => {
  const stage = await openSleepStage({ env: { NO_KEY: "1" } });
  const server = stage.processes[0];
  if (!server) throw new Error("There is no process.");
  const askedAgo = async () => {
    const { databaseAskedAt } = (await server.readiness()).body;
    return databaseAskedAt === undefined ? 0 : stage.clock.nowMs() - Date.parse(databaseAskedAt);
  };
  expect(await askedAgo()).toBe(0);
  await stage.clock.advance(4 * 60_000);
  expect(await askedAgo()).toBe(0);
  await stage.clock.advance(10 * 60_000);
  expect(await askedAgo()).toBe(10 * 60_000);
  await server.services.users.getUser("user_Asked");
  expect(await askedAgo()).toBe(0);
  await stage.clock.advance(23 * hourMs);
  expect(await askedAgo()).toBe(23 * hourMs);
  await stage.clock.advance(hourMs);
  expect(await askedAgo()).toBe(0);
  await server.link.setMode("refuse");
  server.link.cutAll();
  expect(server.services.users.getUser("user_Asked")).rejects.toMatchObject({ code: "unavailable" });
  expect((await server.readiness()).status).toBe(503);
  await stage.clock.advance(hourMs);
  expect((await server.readiness()).status).toBe(503);
  await server.link.setMode("pass");
  await stage.clock.advance(2_000);
  expect((await server.readiness()).status).toBe(200);
});
