import manifest from "../../package.json" with { type: "json" };
import { expect, test } from "bun:test";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";
import { declareHttpCases, internalWords } from "../support/httpCases.ts";
import { openTestApp, testAdminToken } from "../support/testApp.ts";
import { openForFile, openForTest } from "../support/toClose.ts";

let isDraining = false;
const t = openForFile(() => openTestApp({ app: { isDraining: () => isDraining } }));

declareHttpCases(t);

const authorization = `Bearer ${testAdminToken}`;

test("/healthz never touches the database; /readyz names what is not ready", async () => {
  const own = await openForTest(openTestApp({ databaseUrl: () => "postgresql://u:p@127.0.0.1:9/nowhere" }));
  expect((await own.app.request("/healthz")).status).toBe(200);
  expect(own.database.connectionAttempts()).toBe(0);
  const res = await own.app.request("/readyz");
  expect(res.status).toBe(503);
  expect(await res.json()).toMatchObject({ ready: false, checks: { server: "ok", database: "unavailable" } });
});

test("while the server drains /readyz is 503 and says so; /healthz stays 200", async () => {
  expect(await (await t.app.request("/readyz")).json()).toEqual({
    version: manifest.version,
    ready: true,
    checks: { server: "ok", database: "ok", migrations: "ok", rehearsal: "unknown" },
    warnings: [],
  });
  isDraining = true;
  const res = await t.app.request("/readyz");
  expect([res.status, await res.json()]).toMatchObject([503, { ready: false, checks: { server: "draining" } }]);
  expect((await t.app.request("/healthz")).status).toBe(200);
  isDraining = false;
});

test("/readyz names missing migrations as a check of their own", async () => {
  const own = await openForTest(openTestApp());
  await own.sql`drop schema ${own.sql(functionsSchema)} cascade`;
  const res = await own.app.request("/readyz");
  expect([res.status, await res.json()]).toMatchObject([503, { checks: { database: "ok", migrations: "pending" } }]);
});

test("a client sees neither Postgres' message nor a stack when the database fails", async () => {
  const own = await openForTest(openTestApp());
  await own.sql`alter table users rename to hidden_users`;
  for (const path of ['sync.user?input={"clerkId":"user_A"}', "sync.status", "links.conflicts"]) {
    const res = await own.app.request(`/api/trpc/${path}`, { headers: { authorization } });
    expect(res.status).toBe(500);
    const text = await res.text();
    expect(JSON.parse(text)).toMatchObject({ error: { message: "Internal error; the server's log has the cause." } });
    expect(text.replace(/"path":"[^"]*"/g, "")).not.toMatch(internalWords);
  }
});

test("a query over 1 MiB is 413", async () => {
  const path = `/api/trpc/sync.user?input=${"x".repeat(1024 * 1024)}`;
  expect((await t.app.request(path, { headers: { authorization } })).status).toBe(413);
});

test("the path // is 404, not the page", async () => {
  expect((await t.app.request("http://sync.test//")).status).toBe(404);
});
