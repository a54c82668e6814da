import { afterEach, expect, test } from "bun:test";
import type { ClerkUser, ClerkUserPageQuery } from "../../src/clerk/clerkApi.ts";
import { createSessionVerifier } from "../../src/auth/sessionVerifier.ts";
import { baseUser } from "../../src/dev/clerk/clerkUserShapes.ts";
import {
  openSimulatedClerk,
  type SimulatedClerk,
  type SimulatedClerkOptions,
} from "../../src/dev/clerk/simulatedClerk.ts";
import { silentLog } from "../../src/log.ts";
import { failureOf, openApi } from "../support/fakeClerk.ts";

let clerk: SimulatedClerk;
afterEach(() => clerk.close());

async function open(options: SimulatedClerkOptions = {}) {
  clerk = await openSimulatedClerk({ requestsPer10s: Infinity, secretKey: "sk_live_simulated", ...options });
  const api = openApi(clerk.apiUrl, { secretKey: clerk.secretKey });
  const listUsers = async (query: ClerkUserPageQuery) => (await api.listUsers(query)) as readonly ClerkUser[];
  return { ...api, listUsers };
}

const ask = (path: string, key = clerk.secretKey) =>
  fetch(`${clerk.apiUrl}${path}`, { headers: { authorization: `Bearer ${key}` } });
const idsOf = async (path: string) => ((await (await ask(path)).json()) as { id: string }[]).map((user) => user.id);
const oldestFirst = { orderBy: "+created_at" } as const;

async function walk(api: Awaited<ReturnType<typeof open>>, limit: number) {
  const users = [];
  for (let startingAfter: string | undefined; ; startingAfter = users.at(-1)?.id) {
    const page = await api.listUsers({ limit, ...oldestFirst, ...(startingAfter ? { startingAfter } : {}) });
    users.push(...page);
    if (page.length < limit) return users;
  }
}

test("following the cursor shows every user once, in order, also those who share a millisecond", async () => {
  const api = await open({ users: 4_500 });
  const users = await walk(api, 500);
  expect(users).toHaveLength(4_500);
  expect(new Set(users.map((user) => user.id)).size).toBe(4_500);
  const times = users.map((user) => Number(user["created_at"]));
  expect(times).toEqual([...times].sort((a, b) => a - b));
  const shared = Math.max(
    ...Map.groupBy(times, (at) => at)
      .values()
      .map((list) => list.length),
  );
  expect(shared).toBe(3_000);
  expect(await api.countUsers()).toBe(4_500);
});

test("a user of the instance is the same whichever way it is asked for, and the same again from the same seed", async () => {
  const api = await open({ users: 50, seed: 9 });
  const users = await walk(api, 20);
  for (const user of users) expect(await api.getUser(user.id)).toEqual(user);
  await clerk.close();
  expect(await walk(await open({ users: 50, seed: 9 }), 50)).toEqual(users);
});

test("deleted, changed and added users are in their places in both orders, behind cursors and offsets", async () => {
  const api = await open({ users: 8 });
  const [a, b, c, ...rest] = (await walk(api, 500)).map((user) => user.id) as [string, string, string, ...string[]];
  clerk.directory.remove(a);
  clerk.directory.update(b, { first_name: "Changed" });
  const added = clerk.directory.create(baseUser(clerk.directory.newPerson())).id;
  const between = {
    ...baseUser(clerk.directory.newPerson()),
    created_at: Number((await api.getUser(c))?.["created_at"]),
  };
  clerk.directory.create({ ...between, id: "user_zz" });
  expect(await api.countUsers()).toBe(9);
  expect((await walk(api, 2)).map((user) => user.id)).toEqual([b, c, "user_zz", ...rest, added]);
  expect(await idsOf("/v1/users?limit=500")).toEqual([b, c, "user_zz", ...rest, added].toReversed());
  expect(await idsOf(`/v1/users?order_by=-created_at&starting_after=user_zz`)).toEqual([c, b]);
  expect(await idsOf("/v1/users?order_by=%2Bcreated_at&limit=2&offset=2")).toEqual(["user_zz", rest[0] ?? ""]);
  expect((await idsOf("/v1/users?order_by=-updated_at&limit=3")).toSorted()).toEqual([b, added, "user_zz"].toSorted());
  expect(await api.getUser(b)).toMatchObject({ first_name: "Changed" });
  expect(await api.getUser(a)).toBeNull();
});

test("an unknown user is Clerk's own 404; an unknown cursor is not_found, not an outage", async () => {
  const api = await open({ users: 3 });
  expect(await api.getUser("user_nobody")).toBeNull();
  const res = await ask("/v1/users/user_nobody");
  expect([res.status, res.headers.get("content-type")]).toEqual([404, "application/json"]);
  expect(await res.json()).toMatchObject({ errors: [{ code: "resource_not_found", message: "not found" }] });
  const failure = await failureOf(api.listUsers({ limit: 10, ...oldestFirst, startingAfter: "user_nobody" }));
  expect(failure.code).toBe("not_found");
});

test("created_at_after and created_at_before leave out the moment itself", async () => {
  const api = await open({ users: 6 });
  const users = await walk(api, 500);
  const at = (i: number) => Number(users[i]?.["created_at"]);
  const ids = users.map((user) => user.id);
  expect((await api.listUsers({ limit: 500, ...oldestFirst, createdAtAfterMs: at(3) })).map((u) => u.id)).toEqual(
    ids.slice(4),
  );
  expect(await idsOf(`/v1/users?order_by=created_at&created_at_after=${at(0)}&created_at_before=${at(3)}`)).toEqual(
    ids.slice(1, 3),
  );
});

test("up to 100 ids can be asked for; unknown ones are absent", async () => {
  const api = await open({ users: 120 });
  const ids = (await walk(api, 500)).map((user) => user.id);
  clerk.directory.remove(ids[0] ?? "");
  const found = await api.findUsers([...ids.slice(0, 99), "user_nobody"]);
  expect(found.map((user) => user.id).toSorted()).toEqual(ids.slice(1, 99).toSorted());
  const tooMany = new URLSearchParams(ids.slice(0, 101).map((id): [string, string] => ["user_id", id]));
  expect((await ask(`/v1/users?${tooMany.toString()}`)).status).toBe(422);
});

test.each([
  ["limit=501", 422],
  ["limit=0", 422],
  ["limit=x", 422],
  ["offset=-1", 422],
  ["order_by=shoe_size", 422],
  ["starting_after=user_x&order_by=-updated_at", 422],
  ["starting_after=user_x&offset=1", 422],
  ["limit=500", 200],
])("a list with %s is answered %d", async (query, status) => {
  await open({ users: 12 });
  const res = await ask(`/v1/users?${query}`);
  expect(res.status).toBe(status);
  expect(res.headers.get("content-type")).toBe("application/json");
});

test("without a limit ten users come, the newest first", async () => {
  const ids = (await walk(await open({ users: 12 }), 500)).map((user) => user.id);
  expect(await idsOf("/v1/users")).toEqual(ids.toReversed().slice(0, 10));
});

test.each(["sk_live_other", ""])("the key %j is refused", async (key) => {
  await open({ users: 1 });
  for (const path of ["/v1/users", "/v1/users/count", "/v1/users/user_x", "/v1/jwks"]) {
    expect((await ask(path, key)).status).toBe(401);
  }
  expect((await failureOf(openApi(clerk.apiUrl, { secretKey: "sk_live_other" }).countUsers())).message).toContain(
    "CLERK_SECRET_KEY",
  );
});

test.each([
  ["sk_test_x", 100],
  ["sk_live_x", 1000],
])("with %s Clerk answers %d requests in 10 s, and says how long to wait for the next", async (secretKey, limit) => {
  let nowMs = 1_000_000;
  clerk = await openSimulatedClerk({ secretKey, now: () => nowMs });
  const statuses = await Promise.all(Array.from({ length: limit }, async () => (await ask("/v1/users/count")).status));
  expect(statuses.every((status) => status === 200)).toBeTrue();
  nowMs += 2_500;
  const refused = await ask("/v1/users/count");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "8"]);
  nowMs += 8_000;
  expect((await ask("/v1/users/count")).status).toBe(200);
});

test("a session token of the instance proves its user, by the key in PEM and by the keys over HTTP; another's does not", async () => {
  await open({ users: 1 });
  const { jwtKey, sign } = await clerk.sessions();
  const options = { apiUrl: clerk.apiUrl, log: silentLog, authorizedParties: ["http://localhost:3000"] };
  const offline = createSessionVerifier({ ...options, jwtKey });
  const online = createSessionVerifier({ ...options, secretKey: clerk.secretKey });
  expect(await offline(sign("user_a"))).toEqual({ clerkId: "user_a" });
  expect(await online(sign("user_a"))).toEqual({ clerkId: "user_a" });
  expect(await offline(sign("user_a", { exp: 1 }))).toBeNull();
  expect(await offline(sign("user_a", { azp: "https://evil.example" }))).toBeNull();
  const other = await openSimulatedClerk();
  expect(await offline((await other.sessions()).sign("user_a"))).toBeNull();
  await other.close();
});

test("a million users take no memory and a page comes as fast from the middle as from the start", async () => {
  const rssBefore = process.memoryUsage.rss();
  const api = await open({ users: 1_000_000 });
  expect(await api.countUsers()).toBe(1_000_000);
  const [middle] = clerk.directory.list({
    limit: 1,
    offset: 499_999,
    orderBy: { field: "created_at", descending: false },
  });
  const page = await api.listUsers({ limit: 500, ...oldestFirst, startingAfter: middle?.id ?? "" });
  expect(page).toHaveLength(500);
  expect(process.memoryUsage.rss() - rssBefore).toBeLessThan(150 * 1024 * 1024);
});
