import { expect, test } from "bun:test";
import { pino } from "pino";
import { createServices } from "../../src/compose.ts";
import { parseConfig } from "../../src/config.ts";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { createTestClock } from "../support/testClock.ts";
import { createFixedClerk, openTestApp, testAdminToken } from "../support/testApp.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";
import { openForFile, openForTest } from "../support/toClose.ts";

const atClerk = [
  clerkUser("user_AtClerk"),
  clerkUser("user_Fresh", { first_name: "Fresh", updated_at: startMs + 5000 }),
];
const t = openForFile(() => openTestApp({ clerk: createFixedClerk(atClerk) }));
const client = connectTo(t, testAdminToken);

test("without the token, with a wrong one, or with its last character off: UNAUTHORIZED, before the input is checked", async () => {
  for (const token of [undefined, "x".repeat(32), `${testAdminToken.slice(0, -1)}X`, `${testAdminToken}s`]) {
    const stranger = connectTo(t, token);
    expect(await codeOf(stranger.sync.user.query({ clerkId: "not an id" }))).toBe("UNAUTHORIZED");
    expect(await codeOf(stranger.sync.status.query())).toBe("UNAUTHORIZED");
    expect(await codeOf(stranger.events.replay.mutate({ svixId: "x" }))).toBe("UNAUTHORIZED");
  }
});

test("a malformed id is BAD_REQUEST before any request to Clerk", async () => {
  for (const clerkId of ["user_", "user_a-b", `user_${"a".repeat(61)}`, "user_x?y=1", "USER_x", " user_x"]) {
    expect(await codeOf(client.sync.resync.mutate({ clerkId }))).toBe("BAD_REQUEST");
    expect(await codeOf(client.sync.user.query({ clerkId }))).toBe("BAD_REQUEST");
  }
});

test("a user is missing, then synced, then deleted", async () => {
  const clerkId = "user_Seen";
  expect(await client.sync.user.query({ clerkId })).toEqual({
    clerkId,
    state: "missing",
    link: "none",
    user: null,
    mentorado: null,
    lastEvent: null,
    syncedAt: null,
    source: null,
    lagMs: null,
  });
  await t.deliver(userEvent(clerkUser(clerkId)), { svixId: "msg_seen" });
  expect(await client.sync.user.query({ clerkId })).toMatchObject({
    state: "synced",
    link: "linked",
    source: "webhook",
    user: { clerkId, email: "seen@example.com", clerkUpdatedAt: new Date(startMs).toISOString() },
    mentorado: { nomeCompleto: "Ana Souza", turma: "neon_estrutura" },
    lastEvent: {
      svixId: "msg_seen",
      type: "user.updated",
      outcome: "applied",
      attempts: 1,
      occurredAt: new Date(startMs + 20).toISOString(),
    },
  });
  await t.deliver(deletedEvent(clerkId));
  expect(await client.sync.user.query({ clerkId })).toMatchObject({
    state: "deleted",
    link: "none",
    mentorado: null,
    user: { email: null },
  });
});

test("a re-sync shows before, after and what changed; a dry run changes nothing", async () => {
  const clerkId = "user_Fresh";
  await t.deliver(userEvent(clerkUser(clerkId)));
  const dry = await client.sync.resync.mutate({ clerkId, dryRun: true });
  expect(dry).toMatchObject({
    clerkId,
    outcome: "applied",
    dryRun: true,
    changed: ["name"],
    before: { name: "Ana Souza" },
    after: { name: "Fresh Souza" },
  });
  expect((await client.sync.user.query({ clerkId })).user?.name).toBe("Ana Souza");
  expect(await client.sync.resync.mutate({ clerkId })).toMatchObject({
    outcome: "applied",
    dryRun: false,
    changed: ["name"],
  });
  expect(await client.sync.resync.mutate({ clerkId })).toMatchObject({ outcome: "unchanged", changed: [] });
  expect(await client.sync.user.query({ clerkId })).toMatchObject({ source: "resync", user: { name: "Fresh Souza" } });
});

test("a re-sync of a user Clerk no longer has makes a tombstone; of one known to neither it is NOT_FOUND", async () => {
  await t.deliver(userEvent(clerkUser("user_Lost")));
  expect(await client.sync.resync.mutate({ clerkId: "user_Lost" })).toMatchObject({
    outcome: "applied",
    after: { name: null },
  });
  expect(await client.sync.user.query({ clerkId: "user_Lost" })).toMatchObject({ state: "deleted" });
  expect(await codeOf(client.sync.resync.mutate({ clerkId: "user_Nobody" }))).toBe("NOT_FOUND");
  expect(await client.sync.user.query({ clerkId: "user_Nobody" })).toMatchObject({ state: "missing" });
});

test("a re-sync is logged with its outcome, and a dry run is not logged", async () => {
  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
  const clerk = createFixedClerk([clerkUser("user_Here")]);
  const { users } = createServices({ config: parseConfig({}), database: t.database, clerk, log });
  await t.deliver(userEvent(clerkUser("user_Left")));
  await users.resync({ clerkId: "user_Here", dryRun: true });
  await users.resync({ clerkId: "user_Here" });
  await users.resync({ clerkId: "user_Left" });
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
    "[UserService] Successfully synced user user_Here",
    "[UserService] Successfully deleted user user_Left",
  ]);
});

test("an answer of the Backend API counts as later than any event of its version", async () => {
  await client.sync.resync.mutate({ clerkId: "user_AtClerk" });
  const sameVersion = userEvent(clerkUser("user_AtClerk", { first_name: "Other" }), { timestamp: startMs + 999_999 });
  expect((await t.deliver(sameVersion)).said).toBe("stale");
});

test("the status counts users, links and events exactly", async () => {
  const clock = createTestClock();
  const own = await openForTest(openTestApp({ clock }));
  const answer = async () => {
    const res = await own.app.request("/api/trpc/sync.status", {
      headers: { authorization: `Bearer ${testAdminToken}` },
    });
    return ((await res.json()) as { result: { data: unknown } }).result.data;
  };
  expect(await answer()).toEqual({
    users: { total: 0, active: 0, deleted: 0 },
    links: { linked: 0, unverified: 0, noEmail: 0, conflict: 0 },
    events: { applied: 0, unchanged: 0, stale: 0, ignored: 0, dead: 0 },
    duplicates: 0,
    lastEventAt: null,
    lag: { p50Ms: null, p95Ms: null },
    oldestDeadAt: null,
    lastRun: null,
    drift: null,
    alarms: [],
  });
  const linked = userEvent(clerkUser("user_L", { email: "same@example.com" }));
  await own.deliver(linked, { svixId: "msg_l" });
  await own.deliver(linked, { svixId: "msg_l" });
  await own.deliver(userEvent(clerkUser("user_C", { email: "same@example.com" })));
  await own.deliver(userEvent(clerkUser("user_V", { verified: false })));
  await own.deliver(userEvent(clerkUser("user_N", { email: null })));
  await own.deliver(deletedEvent("user_D"));
  await own.deliver({ type: "session.created", data: {} });
  await own.deliver("nope");
  await clock.advance(2_000);
  expect(await answer()).toMatchObject({
    users: { total: 5, active: 4, deleted: 1 },
    links: { linked: 1, unverified: 1, noEmail: 1, conflict: 1 },
    events: { applied: 5, unchanged: 0, stale: 0, ignored: 1, dead: 1 },
    duplicates: 1,
    lastEventAt: expect.any(String) as string,
    oldestDeadAt: expect.any(String) as string,
    lag: { p50Ms: expect.any(Number) as number },
  });
});
