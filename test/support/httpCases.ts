import { expect, test } from "bun:test";
import { testAdminToken, type ContractApp } from "./testApp.ts";

const authorization = `Bearer ${testAdminToken}`;
const json = { "content-type": "application/json" };
/** Words of internal texts (runtime, libraries, SQL, file names), which no answer may contain. */
export const internalWords =
  /stack|node_modules|\.ts\b|at \w+ \(|select |postgres|zod|trpc|JSON Parse|Unexpected|hidden/i;

/** What the contract says of routes, methods and rejected calls, whatever serves them. */
export function declareHttpCases(t: Pick<ContractApp, "app">): void {
  test("a wrong method on a known route is 405 and names the allowed ones", async () => {
    const routes = [
      ["/api/webhooks/clerk", "POST"],
      ["/healthz", "GET, HEAD"],
      ["/readyz", "GET, HEAD"],
      ["/metrics", "GET, HEAD"],
      ["/api/trpc/sync.status", "GET, HEAD, POST"],
      ["/", "GET, HEAD"],
    ] as const;
    for (const [path, allow] of routes) {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
        if (allow.split(", ").includes(method)) continue;
        const res = await t.app.request(path, { method });
        expect([path, method, res.status, res.headers.get("allow")]).toEqual([path, method, 405, allow]);
        expect(await res.json()).toMatchObject({ error: { code: "method_not_allowed", message: expect.any(String) } });
      }
    }
  });

  test.each([
    "/nothing",
    "/api",
    "/api/",
    "/api/webhooks",
    "/api/webhooks/clerk/x",
    "/healthz/x",
    "/metrics/",
    "/assets/x.js",
    "/api/webhooks/CLERK",
    "/%00",
  ])("%s is 404 in JSON, for every method", async (path) => {
    for (const method of ["GET", "POST", "DELETE"]) {
      const res = await t.app.request(`http://sync.test${path}`, { method });
      expect(res.status).toBe(404);
      expect(res.headers.get("content-type")).toStartWith("application/json");
      expect(await res.json()).toEqual({ error: { code: "not_found", message: "No route matches this path." } });
    }
  });

  test("HEAD answers as GET does, without a body", async () => {
    for (const path of ["/healthz", "/readyz"]) {
      const res = await t.app.request(path, { method: "HEAD" });
      expect(res.status).toBe(200);
      expect(await res.text()).toBe("");
    }
    expect((await t.app.request("/metrics", { method: "HEAD" })).status).toBe(401);
  });

  test.each<[string, string, RequestInit, number]>([
    ["a body that is no JSON", "sync.resync", { method: "POST", headers: json, body: "{hidden" }, 400],
    ["an input that is no JSON", "sync.user?input={hidden", {}, 400],
    ["an empty body", "sync.resync", { method: "POST", headers: json, body: "" }, 400],
    [
      "another content type",
      "sync.resync",
      { method: "POST", headers: { "content-type": "text/plain" }, body: "hidden" },
      415,
    ],
    ["a form", "sync.resync", { method: "POST", body: new URLSearchParams({ hidden: "1" }) }, 415],
    ["an unknown procedure", "sync.hidden", {}, 404],
    ["an unknown noun", "hidden", {}, 404],
    ["a property every object has", "constructor.prototype", {}, 404],
    ["__proto__", "__proto__", {}, 404],
    ["no procedure", "", {}, 404],
    ["a path that is no URL encoding", "%E0%A4%A", {}, 400],
    ["a query asked with POST", "sync.status", { method: "POST", headers: json, body: "{}" }, 405],
    ["a mutation asked with GET", "sync.resync?input={}", {}, 405],
    ["a batch that is no object", "sync.user,sync.user?batch=1&input=[1", {}, 400],
    ["an input of another type", 'sync.user?input={"clerkId":7}', {}, 400],
    ["a list as input", "sync.user?input=[]", {}, 400],
    ["a batch of queries and mutations", "sync.status,sync.resync?batch=1", {}, 400],
  ])("%s is rejected without an internal word", async (_, path, init, status) => {
    const headers = { authorization, ...(init.headers as Record<string, string> | undefined) };
    const res = await t.app.request(`/api/trpc/${path}`, { ...init, headers });
    const text = await res.text();
    expect(text.replace(/"path":"[^"]*"/g, "")).not.toMatch(internalWords);
    expect([res.status, text]).toEqual([status, text]);
  });

  test("a request over 1 MiB is 413 and a batch over 50 calls 400, for queries and mutations", async () => {
    const statusOf = async (path: string, init: RequestInit = {}) =>
      (await t.app.request(`/api/trpc/${path}`, { ...init, headers: { authorization, ...json } })).status;
    const large = JSON.stringify({ clerkId: "x".repeat(1024 * 1024) });
    expect(await statusOf("sync.resync", { method: "POST", body: large })).toBe(413);
    const paths = (count: number) => Array.from({ length: count }, () => "sync.status").join(",");
    expect(await statusOf(`${paths(50)}?batch=1`)).toBe(200);
    expect(await statusOf(`${paths(51)}?batch=1`)).toBe(400);
    const resyncs = Array.from({ length: 51 }, () => "sync.resync").join(",");
    expect(await statusOf(`${resyncs}?batch=1`, { method: "POST", body: "{}" })).toBe(400);
  });

  test("tRPC answers are not cached", async () => {
    const res = await t.app.request("/api/trpc/sync.status", { headers: { authorization } });
    expect(res.headers.get("cache-control")).toBe("no-store");
  });
}
