import { beforeAll, expect, test } from "bun:test";
import { createSessionVerifier } from "../../src/auth/sessionVerifier.ts";
import { parseConfig } from "../../src/config.ts";
import { silentLog } from "../../src/log.ts";
import { appRouter } from "../../src/trpc/appRouter.ts";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { forgeSession, signSession, testJwtKey, testParty } from "../support/sessionTokens.ts";
import { openTestApp, testAdminToken } from "../support/testApp.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";
import { openForFile, openForTest } from "../support/toClose.ts";

// As a dashboard or an .env file spells it: in one line.
const oneLine = parseConfig({ CLERK_JWT_KEY: testJwtKey.replaceAll("\n", "\\n") }).clerkJwtKey;
const t = openForFile(() =>
  openTestApp({
    app: {
      verifySession: createSessionVerifier({
        jwtKey: oneLine,
        apiUrl: "http://127.0.0.1:9",
        authorizedParties: [testParty],
        log: silentLog,
      }),
    },
  }),
);
beforeAll(async () => {
  await deliver("user_Admin", "admin", startMs);
  await deliver("user_Plain", "user", startMs);
});

function deliver(clerkId: string, role: "admin" | "user", updatedAtMs: number) {
  const user = clerkUser(clerkId, { public_metadata: { role }, updated_at: updatedAtMs });
  return t.deliver(userEvent(user));
}

/** Every procedure there is. */
const byPath = appRouter._def.procedures as unknown as Record<string, { _def: { type: string } }>;
const procedures = Object.entries(byPath).map(([path, procedure]) => ({
  path,
  method: procedure._def.type === "query" ? "GET" : "POST",
}));

/** What each procedure says to a token and an input that is not even JSON: access has to be judged before it. */
async function codesOf(token: string | undefined, isAsked = (_path: string) => true): Promise<string[]> {
  const asked = procedures.filter(({ path }) => isAsked(path));
  const codes = asked.map(async ({ path, method }) => {
    const res = await t.app.request(`/api/trpc/${path}${method === "GET" ? "?input={" : ""}`, {
      method,
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(method === "GET" ? {} : { body: "{" }),
    });
    const { error } = (await res.json()) as { error?: { data: { code: string; httpStatus: number } } };
    expect(error?.data.httpStatus ?? 200).toBe(res.status);
    return error?.data.code ?? "no error";
  });
  return [...new Set(await Promise.all(codes))];
}

const expired = { exp: Math.floor(Date.now() / 1000) - 120 };

test.each<[string, string | undefined]>([
  ["no token", undefined],
  ["a wrong token", "x".repeat(40)],
  ["the admin token with its last character off", `${testAdminToken.slice(0, -1)}X`],
  ["the admin token without its last character", testAdminToken.slice(0, -1)],
  ["the admin token and one more character", `${testAdminToken}0`],
  ["an admin's expired session", signSession("user_Admin", { claims: expired })],
  ["an admin's session signed with another key", signSession("user_Admin", { key: "other" })],
  ["an admin's session signed with nothing", forgeSession("user_Admin", "none")],
  ["an admin's session signed with the public key as a secret", forgeSession("user_Admin", "HS256")],
  ["an admin's session of another origin", signSession("user_Admin", { claims: { azp: "https://evil.example.com" } })],
  ["an admin's session of no origin", signSession("user_Admin", { claims: { azp: undefined } })],
])("%s is UNAUTHORIZED everywhere, before the input is judged", async (_, token) => {
  expect(await codesOf(token)).toEqual(["UNAUTHORIZED"]);
});

test.each<[string, string]>([
  ["a user without the role", "user_Plain"],
  ["a user not known here", "user_Stranger"],
])("%s is FORBIDDEN everywhere, before the input is judged", async (_, clerkId) => {
  expect(await codesOf(signSession(clerkId), (path) => !path.startsWith("me."))).toEqual(["FORBIDDEN"]);
});

test("the admin token is no session", async () => {
  expect(await codesOf(testAdminToken, (path) => !path.startsWith("me."))).not.toContain("UNAUTHORIZED");
  const forSessions = procedures.some(({ path }) => path.startsWith("me."));
  expect(await codesOf(testAdminToken, (path) => path.startsWith("me."))).toEqual(forSessions ? ["UNAUTHORIZED"] : []);
});

test("an admin's session and the admin token pass the access check, and then the input is checked", async () => {
  for (const token of [signSession("user_Admin"), testAdminToken]) {
    const client = connectTo(t, token);
    expect(await codeOf(client.sync.status.query())).toBe("no error");
    expect(await codeOf(client.sync.user.query({ clerkId: "no id" }))).toBe("BAD_REQUEST");
    expect(await codeOf(client.sync.user.query({ clerkId: "user_Plain" }))).toBe("no error");
  }
});

test("the role is read at each call: demotion, promotion and deletion take effect at once", async () => {
  const clerkId = "user_Changing";
  const client = connectTo(t, signSession(clerkId));
  const code = () => codeOf(client.sync.user.query({ clerkId }));
  await deliver(clerkId, "admin", startMs);
  expect(await code()).toBe("no error");
  await deliver(clerkId, "user", startMs + 1000);
  expect(await code()).toBe("FORBIDDEN");
  await deliver(clerkId, "admin", startMs + 2000);
  expect(await code()).toBe("no error");
  await t.sql`update users set role = 'user' where clerk_id = ${clerkId}`;
  expect(await code()).toBe("FORBIDDEN");
  await t.sql`update users set role = 'admin' where clerk_id = ${clerkId}`;
  expect(await code()).toBe("no error");
  await t.deliver(deletedEvent(clerkId));
  expect(await code()).toBe("FORBIDDEN");
});

test("without ADMIN_API_TOKEN and without keys every caller is rejected, whatever it sends", async () => {
  const own = await openForTest(openTestApp({ app: { adminToken: undefined } }));
  for (const token of ["undefined", "null", "", testAdminToken, signSession("user_Admin")]) {
    expect(await codeOf(connectTo(own, token).sync.status.query())).toBe("UNAUTHORIZED");
    const res = await own.app.request("/metrics", { headers: { authorization: `Bearer ${token}` } });
    expect(res.status).toBe(401);
  }
});

test("the Authorization header needs the Bearer scheme, in any case", async () => {
  const statusOf = async (authorization: string) =>
    (await t.app.request("/api/trpc/sync.status", { headers: { authorization } })).status;
  expect(await statusOf(`bearer ${testAdminToken}`)).toBe(200);
  expect(await statusOf(testAdminToken)).toBe(401);
  expect(await statusOf(`Basic ${testAdminToken}`)).toBe(401);
  expect(await statusOf(`Bearer ${testAdminToken} ${testAdminToken}`)).toBe(401);
});

test("access is checked for each call of a batch", async () => {
  const client = connectTo(t, signSession("user_Admin"));
  const [status, user, bad] = await Promise.allSettled([
    client.sync.status.query(),
    client.sync.user.query({ clerkId: "user_Plain" }),
    client.sync.user.query({ clerkId: "no id" }),
  ]);
  expect([status.status, user.status, bad.status]).toEqual(["fulfilled", "fulfilled", "rejected"]);
});
