import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { Hono } from "hono";
import { requestId } from "hono/request-id";
import { createCollectedLog } from "../support/collectedLog.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { openTestApp, signDelivery, testAdminToken, type TestApp } from "../support/testApp.ts";

const { log, lines } = createCollectedLog();
let t: TestApp;
beforeAll(async () => {
  t = await openTestApp({ log });
}, 30_000);
afterAll(() => t.close());
beforeEach(() => void lines.splice(0));

const authorization = `Bearer ${testAdminToken}`;
const idOf = (res: { headers: Headers }) => res.headers.get("x-request-id");

test("every answer has a request id and the safety headers", async () => {
  for (const [path, method, status] of [
    ["/", "GET", 200],
    ["/healthz", "GET", 200],
    ["/readyz", "GET", 200],
    ["/metrics", "GET", 401],
    ["/nothing", "GET", 404],
    ["/healthz", "DELETE", 405],
    ["/api/trpc/sync.status", "GET", 401],
    ["/api/webhooks/clerk", "POST", 400],
  ] as const) {
    const res = await t.app.request(path, { method });
    expect([path, res.status]).toEqual([path, status]);
    expect(idOf(res)).toMatch(/^[0-9a-f-]{36}$/);
    expect(res.headers.get("x-content-type-options")).toBe("nosniff");
    expect(res.headers.get("referrer-policy")).toBe("no-referrer");
    expect(res.headers.get("x-frame-options")).toBe("DENY");
  }
});

test("a plain, short x-request-id is kept; any other is replaced", async () => {
  const answerTo = async (id: string) => idOf(await t.app.request("/healthz", { headers: { "x-request-id": id } }));
  for (const id of ["abc-123", "a".repeat(255), "x=_1"]) expect(await answerTo(id)).toBe(id);
  for (const id of ["a b", "<script>", 'a"b', "a".repeat(256), "é"]) expect(await answerTo(id)).not.toBe(id);
});

test("the id of a delivery is in each of its log lines", async () => {
  const stored = await t.deliver(userEvent(clerkUser("user_id1")));
  expect(lines.map(({ msg, requestId }) => [msg, requestId])).toEqual([
    ["[Webhook] Received Clerk event: user.updated", idOf(stored)],
    ["[UserService] Successfully synced user user_id1", idOf(stored)],
  ]);
  lines.splice(0);
  const refused = await t.deliver("{}", { secret: `whsec_${Buffer.alloc(32, 1).toString("base64")}` });
  expect(lines).toMatchObject([{ code: "invalid_signature", requestId: idOf(refused) }]);
});

test("the id of a tRPC call is in its error's data and in its log lines", async () => {
  const path = "/api/trpc/links.resolve";
  const body = JSON.stringify({ clerkId: "user_nobody", mentoradoId: 1 });
  const headers = { authorization, "content-type": "application/json", "x-request-id": "from-outside" };
  const res = await t.app.request(path, { method: "POST", headers, body });
  const { error } = (await res.json()) as { error: { data: Record<string, unknown> } };
  expect(error.data).toEqual({ code: "NOT_FOUND", httpStatus: 404, path: "links.resolve", requestId: "from-outside" });
  expect(idOf(res)).toBe("from-outside");

  await t.sql`alter table users rename to hidden_users`;
  const broken = await t.app.request("/api/trpc/links.conflicts", { headers: { authorization } });
  await t.sql`alter table hidden_users rename to users`;
  expect(broken.status).toBe(500);
  const failed = lines.find(({ path }) => path === "links.conflicts");
  expect(failed).toMatchObject({ requestId: idOf(broken) });
});

test("mounted in an app with request ids, that id is used, and the app's own routes get no headers from here", async () => {
  const host = new Hono();
  host.use(requestId({ headerName: "x-trace" }));
  host.route("/", t.app);
  host.get("/own", (c) => c.text("own"));
  const res = await host.request("/healthz", { headers: { "x-trace": "the-hosts" } });
  expect(idOf(res)).toBe("the-hosts");
  const own = await host.request("/own");
  expect([idOf(own), own.headers.get("x-frame-options")]).toEqual([null, null]);
});

test("the webhook's path may end with a slash", async () => {
  const body = JSON.stringify(userEvent(clerkUser("user_slash")));
  const init = { method: "POST", body, headers: signDelivery(body) };
  const res = await t.app.request("/api/webhooks/clerk/", init);
  expect([res.status, await res.json()]).toEqual([200, { outcome: "applied" }]);
  const got = await t.app.request("/api/webhooks/clerk/");
  expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
});
