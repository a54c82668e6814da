import { afterAll, beforeAll, expect, test } from "bun:test";
import { Hono, type Context } from "hono";
import { cors } from "hono/cors";
import { getRouterName } from "hono/dev";
import { createCollectedLog } from "../support/collectedLog.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { openTestApp, signDelivery, testAdminToken, type TestApp } from "../support/testApp.ts";

const { log, lines } = createCollectedLog();
let t: TestApp;
beforeAll(async () => {
  t = await openTestApp({ log });
}, 30_000);
afterAll(() => t.close());

const authorization = `Bearer ${testAdminToken}`;
const resync = {
  method: "POST",
  body: JSON.stringify({ clerkId: "user_gone" }),
  headers: { authorization, "content-type": "application/json" },
};
const origin = "https://app.example.com";
const preflight = {
  method: "OPTIONS",
  headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" },
};

/** A host whose middleware reads each body before. */
function createHost(read: (c: Context) => Promise<unknown>): Hono {
  const host = new Hono();
  host.use(async (c, next) => {
    await read(c);
    await next();
  });
  host.route("/", t.app);
  return host;
}

test.each<[string, (c: Context) => Promise<unknown>]>([
  ["text", (c) => c.req.text()],
  ["json", (c) => c.req.json()],
  ["arrayBuffer", (c) => c.req.arrayBuffer()],
  ["blob", (c) => c.req.blob()],
])("a host's middleware that has read the body as %s changes no answer", async (name, read) => {
  const host = createHost(read);
  const body = JSON.stringify(userEvent(clerkUser(`user_${name}`, { first_name: "Zoë ☃" })), null, 2);
  const path = "/api/webhooks/clerk";
  const res = await host.request(path, { method: "POST", body, headers: signDelivery(body) });
  expect([res.status, await res.json()]).toEqual([200, { outcome: "applied" }]);
  const forged = await host.request(path, { method: "POST", body: `${body} `, headers: signDelivery(body) });
  expect(forged.status).toBe(400);
  expect((await host.request("/api/trpc/sync.resync", resync)).status).toBe(404);
});

test("after a host's middleware consumed the raw body the answer is 500 at once, and the log says what to change", async () => {
  const host = createHost((c) => c.req.raw.text());
  const body = JSON.stringify(userEvent(clerkUser("user_raw")));
  for (const [path, init] of [
    ["/api/webhooks/clerk", { method: "POST", body, headers: signDelivery(body) }],
    ["/api/trpc/sync.resync", resync],
  ] as const) {
    lines.splice(0);
    const startedMs = performance.now();
    const res = await host.request(path, init);
    expect([res.status, await res.json()]).toMatchObject([500, { error: { code: "internal" } }]);
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    expect(JSON.stringify(lines)).toContain("let it read c.req.text() or c.req.arrayBuffer()");
  }
});

test.each(["/below/here", "/below/here/"])("at %s the page's files are found relative to it", async (path) => {
  const host = new Hono().route("/below/here", t.app);
  const res = await host.request(path);
  expect(res.status).toBe(200);
  const files = [...(await res.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file = ""]) => file);
  expect(files).toHaveLength(3);
  for (const file of files) {
    const { pathname } = new URL(file, `http://host.test${path}`);
    expect([pathname, (await host.request(pathname)).status]).toEqual([pathname, 200]);
  }
  expect((await host.request(path, { method: "POST" })).status).toBe(405);
  for (const other of ["/below/here//", "/below/here/x"]) expect((await host.request(other)).status).toBe(404);
});

test("no route of the app moves hono, or the host's app, off its fast router", async () => {
  const host = new Hono().route("/below/here", t.app).get("/users/:userId", (c) => c.text(c.req.param("userId")));
  for (const [app, path] of [
    [t.app, "/healthz"],
    [host, "/below/here/"],
    [host, "/users/1"],
  ] as const) {
    // The router is chosen at the first request.
    expect((await app.request(path)).status).toBe(200);
    expect(getRouterName(app)).toBe("SmartRouter + RegExpRouter");
  }
});

test("without CORS_ORIGINS no header is added, so the host's own CORS applies", async () => {
  expect((await t.app.request("/api/trpc/sync.status", preflight)).status).toBe(405);
  const host = new Hono().use(cors({ origin })).route("/", t.app);
  expect((await host.request("/api/trpc/sync.status", preflight)).status).toBe(204);
  const res = await host.request("/api/trpc/sync.status", { headers: { origin, authorization } });
  expect([res.status, res.headers.get("access-control-allow-origin")]).toEqual([200, origin]);
});

test("pages of CORS_ORIGINS, and no others, may call tRPC with a token", async () => {
  const own = await openTestApp({ app: { corsOrigins: [origin] } });
  const asked = await own.app.request("/api/trpc/sync.status", preflight);
  expect(asked.status).toBe(204);
  expect(asked.headers.get("access-control-allow-origin")).toBe(origin);
  expect(asked.headers.get("access-control-allow-headers")).toContain("authorization");
  const res = await own.app.request("/api/trpc/sync.status", { headers: { origin, authorization } });
  expect([res.status, res.headers.get("access-control-allow-origin")]).toEqual([200, origin]);
  const failed = await own.app.request("/api/trpc/sync.status", { headers: { origin } });
  expect([failed.status, failed.headers.get("access-control-allow-origin")]).toEqual([401, origin]);
  const other = { headers: { origin: "https://other.example.com", authorization } };
  const refused = await own.app.request("/api/trpc/sync.status", other);
  expect(refused.headers.get("access-control-allow-origin")).toBeNull();
  expect((await own.app.request("/healthz", { headers: { origin } })).headers.has("vary")).toBe(false);
  await own.close();
});
