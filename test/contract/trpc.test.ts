import { afterAll, beforeAll, expect, test } from "bun:test";
import { createSyncClient, type SyncClient } from "../../src/trpc/client.ts";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { createFixedClerk, openTestApp, testAdminToken, type TestApp } from "../support/testApp.ts";

let t: TestApp;
let client: SyncClient;
const atClerk = [clerkUser("user_AtClerk"), clerkUser("user_Fresh", { first_name: "Fresh", updated_at: startMs + 5000 })];
beforeAll(async () => {
  t = await openTestApp({ clerk: createFixedClerk(atClerk) });
  client = connect(testAdminToken);
});
afterAll(() => t.close());

function connect(token?: string): SyncClient {
  return createSyncClient({
    url: "http://sync.test",
    ...(token === undefined ? {} : { token }),
    fetch: async (url, init) => t.app.request(url as string, init),
  });
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "no error";
  } catch (error) {
    return (error as { data: { code: string } }).data.code;
  }
}

test("without the token, with a wrong one, or with its last character off: UNAUTHORIZED, before the input is judged", async () => {
  for (const token of [undefined, "x".repeat(32), `${testAdminToken.slice(0, -1)}X`, `${testAdminToken}s`]) {
    const stranger = connect(token);
    expect(await codeOf(stranger.sync.user.query({ clerkId: "not an id" }))).toBe("UNAUTHORIZED");
    expect(await codeOf(stranger.sync.status.query())).toBe("UNAUTHORIZED");
    expect(await codeOf(stranger.events.replay.mutate({ svixId: "x" }))).toBe("UNAUTHORIZED");
  }
});

test("a malformed id is BAD_REQUEST before anything is asked of Clerk", async () => {
  for (const clerkId of ["user_", "user_a-b", `user_${"a".repeat(61)}`, "user_x?y=1", "USER_x", " user_x"]) {
    expect(await codeOf(client.sync.resync.mutate({ clerkId }))).toBe("BAD_REQUEST");
    expect(await codeOf(client.sync.user.query({ clerkId }))).toBe("BAD_REQUEST");
  }
});

test("a user is missing, then synced, then deleted", async () => {
  const clerkId = "user_Seen";
  expect(await client.sync.user.query({ clerkId })).toEqual({
    clerkId, state: "missing", link: "none", user: null, mentorado: null, lastEvent: null, syncedAt: null, source: null, lagMs: null,
  });
  await t.deliver(userEvent(clerkUser(clerkId)), { svixId: "msg_seen" });
  expect(await client.sync.user.query({ clerkId })).toMatchObject({
    state: "synced", link: "linked", source: "webhook",
    user: { clerkId, email: "seen@example.com", clerkUpdatedAt: new Date(startMs).toISOString() },
    mentorado: { nomeCompleto: "Ana Souza", turma: "neon_estrutura" },
    lastEvent: { svixId: "msg_seen", type: "user.updated", outcome: "applied", attempts: 1, occurredAt: new Date(startMs + 20).toISOString() },
  });
  await t.deliver(deletedEvent(clerkId));
  expect(await client.sync.user.query({ clerkId })).toMatchObject({ state: "deleted", link: "none", mentorado: null, user: { email: null } });
});

test("a re-sync shows before, after and what changed; a dry run changes nothing", async () => {
  const clerkId = "user_Fresh";
  await t.deliver(userEvent(clerkUser(clerkId)));
  const dry = await client.sync.resync.mutate({ clerkId, dryRun: true });
  expect(dry).toMatchObject({ clerkId, outcome: "applied", dryRun: true, changed: ["name"], before: { name: "Ana Souza" }, after: { name: "Fresh Souza" } });
  expect((await client.sync.user.query({ clerkId })).user?.name).toBe("Ana Souza");
  expect(await client.sync.resync.mutate({ clerkId })).toMatchObject({ outcome: "applied", dryRun: false, changed: ["name"] });
  expect(await client.sync.resync.mutate({ clerkId })).toMatchObject({ outcome: "unchanged", changed: [] });
  expect(await client.sync.user.query({ clerkId })).toMatchObject({ source: "resync", user: { name: "Fresh Souza" } });
});

test("a re-sync of a user Clerk no longer has makes a tombstone; of one known to neither it is NOT_FOUND", async () => {
  await t.deliver(userEvent(clerkUser("user_Lost")));
  expect(await client.sync.resync.mutate({ clerkId: "user_Lost" })).toMatchObject({ outcome: "applied", after: { name: null } });
  expect(await client.sync.user.query({ clerkId: "user_Lost" })).toMatchObject({ state: "deleted" });
  expect(await codeOf(client.sync.resync.mutate({ clerkId: "user_Nobody" }))).toBe("NOT_FOUND");
  expect(await client.sync.user.query({ clerkId: "user_Nobody" })).toMatchObject({ state: "missing" });
});

test("an answer of the Backend API counts as later than any event of its version", async () => {
  await client.sync.resync.mutate({ clerkId: "user_AtClerk" });
  const sameVersion = userEvent(clerkUser("user_AtClerk", { first_name: "Other" }), { timestamp: startMs + 999_999 });
  expect((await t.deliver(sameVersion)).said).toBe("stale");
});

test("the status counts users, links and events exactly", async () => {
  const own = await openTestApp();
  const answer = async () => {
    const res = await own.app.request("/api/trpc/sync.status", { headers: { authorization: `Bearer ${testAdminToken}` } });
    return ((await res.json()) as { result: { data: unknown } }).result.data;
  };
  expect(await answer()).toEqual({
    users: { total: 0, active: 0, deleted: 0 }, links: { linked: 0, unverified: 0, noEmail: 0, conflict: 0 },
    events: { applied: 0, unchanged: 0, stale: 0, ignored: 0, dead: 0 }, duplicates: 0,
    lastEventAt: null, lag: { p50Ms: null, p95Ms: null }, oldestDeadAt: null, lastRun: null, drift: null,
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
  await Bun.sleep(2050);
  expect(await answer()).toMatchObject({
    users: { total: 5, active: 4, deleted: 1 }, links: { linked: 1, unverified: 1, noEmail: 1, conflict: 1 },
    events: { applied: 5, unchanged: 0, stale: 0, ignored: 1, dead: 1 }, duplicates: 1,
    lastEventAt: expect.any(String) as string, oldestDeadAt: expect.any(String) as string,
    lag: { p50Ms: expect.any(Number) as number },
  });
  await own.close();
});

test("the ledger is listed newest first, by filter and by page; a bad filter or cursor is BAD_REQUEST", async () => {
  for (const n of [1, 2, 3]) {
    await t.deliver({ type: "x.y", data: { user_id: "user_Listed" } }, { svixId: `msg_list_${n}` });
    await Bun.sleep(2);
  }
  const first = await client.events.list.query({ clerkId: "user_Listed", limit: 2 });
  expect(first.items.map((item) => item.svixId)).toEqual(["msg_list_3", "msg_list_2"]);
  const second = await client.events.list.query({ clerkId: "user_Listed", limit: 2, cursor: first.nextCursor ?? "" });
  expect(second).toMatchObject({ items: [{ svixId: "msg_list_1", outcome: "ignored" }], nextCursor: null });
  expect(await codeOf(client.events.list.query({ outcome: "duplicate" as "dead" }))).toBe("BAD_REQUEST");
  for (const cursor of ["", "zzz", Buffer.from('{"receivedAt":"now"}').toString("base64url")]) {
    expect(await codeOf(client.events.list.query({ cursor }))).toBe("BAD_REQUEST");
  }
});

test("an event is shown with its payload; a dead one is settled by a replay, or stays dead", async () => {
  await t.deliver("nope", { svixId: "msg_dead" });
  expect(await client.events.get.query({ svixId: "msg_dead" })).toMatchObject({ outcome: "dead", errorCode: "not_json", payload: "nope" });
  expect(await client.events.replay.mutate({ svixId: "msg_dead" })).toEqual({ svixId: "msg_dead", outcome: "dead" });
  const before = await client.sync.status.query();
  // As if the cause had been mended meanwhile.
  await t.sql`update webhook_events set payload = ${JSON.stringify(userEvent(clerkUser("user_Mended")))} where svix_id = 'msg_dead'`;
  expect(await client.events.replay.mutate({ svixId: "msg_dead" })).toEqual({ svixId: "msg_dead", outcome: "applied" });
  expect(await client.events.get.query({ svixId: "msg_dead" })).toMatchObject({ outcome: "applied", errorCode: null, clerkId: "user_Mended" });
  const after = await client.sync.status.query();
  expect([after.events.dead - before.events.dead, after.events.applied - before.events.applied]).toEqual([-1, 1]);
  expect(await codeOf(client.events.get.query({ svixId: "msg_no" }))).toBe("NOT_FOUND");
  expect(await codeOf(client.events.replay.mutate({ svixId: "msg_no" }))).toBe("NOT_FOUND");
});

test("a conflict is listed with its candidates and settled; an unlink sticks until resolved", async () => {
  const ids = await t.sql<{ id: number }[]>`
    insert into mentorados (nome_completo, email, turma) values ('One', 'two@example.com', 'neon_escala'), ('Two', 'TWO@example.com', 'neon_escala') returning id`;
  const [one = 0, two = 0] = ids.map((row) => row.id);
  const clerkId = "user_Two";
  await t.deliver(userEvent(clerkUser(clerkId)));
  const { items } = await client.links.conflicts.query();
  expect(items.find((item) => item.clerkId === clerkId)).toEqual({
    clerkId, email: "two@example.com",
    candidates: [{ id: one, nomeCompleto: "One", email: "two@example.com", userId: null }, { id: two, nomeCompleto: "Two", email: "TWO@example.com", userId: null }],
  });
  expect(await client.links.resolve.mutate({ clerkId, mentoradoId: two })).toMatchObject({ clerkId, mentoradoId: two, link: "linked" });
  await t.deliver(userEvent(clerkUser("user_Rival")));
  expect(await codeOf(client.links.resolve.mutate({ clerkId: "user_Rival", mentoradoId: two }))).toBe("CONFLICT");
  expect(await codeOf(client.links.resolve.mutate({ clerkId: "user_Nobody", mentoradoId: one }))).toBe("NOT_FOUND");
  expect(await codeOf(client.links.resolve.mutate({ clerkId, mentoradoId: 2_000_000_000 }))).toBe("NOT_FOUND");

  await t.sql`delete from mentorados where id = ${one}`;
  expect(await client.links.unlink.mutate({ mentoradoId: two })).toEqual({ mentoradoId: two, clerkId });
  await t.deliver(userEvent(clerkUser(clerkId, { updated_at: startMs + 9000, first_name: "Later" })));
  expect(await client.sync.user.query({ clerkId })).toMatchObject({ link: "conflict", mentorado: null, user: { name: "Later Souza" } });
  await client.links.resolve.mutate({ clerkId, mentoradoId: two });
  expect((await client.sync.user.query({ clerkId })).link).toBe("linked");
  const trail = await t.sql`select action, actor from mentorado_links where clerk_id = ${clerkId} order by id`;
  expect(trail.map((row) => `${row["action"]} ${row["actor"]}`)).toEqual(["resolved operator:token", "unlinked operator:token", "resolved operator:token"]);
  expect(await codeOf(client.links.unlink.mutate({ mentoradoId: 2_000_000_000 }))).toBe("NOT_FOUND");
});

test("a batch of more than 50 calls or a request of more than 1 MiB is refused", async () => {
  const headers = { authorization: `Bearer ${testAdminToken}`, "content-type": "application/json" };
  const paths = Array.from({ length: 51 }, () => "sync.status").join(",");
  const many = await t.app.request(`/api/trpc/${paths}?batch=1&input=%7B%7D`, { headers });
  expect(many.status).toBeWithin(400, 500);
  const body = JSON.stringify({ svixId: "x".repeat(1024 * 1024) });
  expect((await t.app.request("/api/trpc/events.replay", { method: "POST", headers, body })).status).toBe(413);
});

test("the hours of the series add up to the totals", async () => {
  const { items } = await client.events.series.query({ hours: 48 });
  const { events } = await client.sync.status.query();
  expect(items.reduce((sum, hour) => sum + hour.applied, 0)).toBe(events.applied);
});
