import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { resolveConfig } from "@neon/config/v1";
import { findDifferences } from "../../src/dev/clerk/findDifferences.ts";
import { createSyncClient } from "../../src/trpc/client.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { openFaultyClerk, type FaultyClerk } from "../support/faultyClerk.ts";
import { declareHttpCases } from "../support/httpCases.ts";
import { buildNeonFunction, type BuiltFunction, type FunctionApp } from "../support/neonFunction.ts";
import { declarePageCases } from "../support/pageCases.ts";
import { waitUntil } from "../support/runs.ts";
import { signSession, testJwtKey } from "../support/sessionTokens.ts";
import { testAdminToken } from "../support/testApp.ts";
import { openForTest, toClose } from "../support/toClose.ts";
import { declareWebhookCases, webhookCaseSecrets } from "../support/webhookCases.ts";

setDefaultTimeout(60_000);
let built: BuiltFunction;
let clerk: FaultyClerk;
const t = {} as FunctionApp;

const clerkEnv = (of: FaultyClerk) => ({ CLERK_SECRET_KEY: of.secretKey, CLERK_API_URL: of.apiUrl });

beforeAll(async () => {
  [built, clerk] = await Promise.all([buildNeonFunction(), openFaultyClerk({ users: 3, instanceId: "ins_1" })]);
  const opened = await built.open({
    env: {
      ...clerkEnv(clerk),
      CLERK_WEBHOOK_SECRET: webhookCaseSecrets.join(" "),
      CLERK_INSTANCE_ID: clerk.instanceId,
      CLERK_JWT_KEY: testJwtKey,
    },
  });
  Object.assign(t, opened);
}, 120_000);
afterAll(async () => {
  await t.close();
  await clerk.close();
  built.close();
});

declareWebhookCases(t);
declareHttpCases(t);
declarePageCases(t);

const schedule = (of: FunctionApp) => of.app.request("/api/schedule", { method: "POST", body: "{}" });

test("health, readiness with a rehearsal, and metrics", async () => {
  expect((await t.app.request("/healthz")).status).toBe(200);
  await waitUntil(async () => (await (await t.app.request("/readyz")).text()).includes('"rehearsal":"ok"'), 10_000);
  expect((await t.app.request("/metrics")).status).toBe(401);
  const headers = { authorization: `Bearer ${testAdminToken}` };
  const metrics = await (await t.app.request("/metrics", { headers })).text();
  expect(metrics).toContain("nodejs_version_info");
  expect(metrics).toContain("clerk_sync_deliveries_total");
});

test("metadata as deep as Clerk's 8 KB can make them are applied, what is deeper ends as dead", async () => {
  const nested = (clerkId: string, levels: number) =>
    JSON.stringify(userEvent(clerkUser(clerkId))).replace(
      '"unsafe_metadata":{}',
      `"unsafe_metadata":{"deep":${"[".repeat(levels)}${"]".repeat(levels)}}`,
    );
  for (const levels of [4_096, 4_198])
    expect((await t.deliver(nested(`user_Deep${levels}`, levels))).said).toBe("applied");
  for (const levels of [4_199, 20_000])
    expect((await t.deliver(nested(`user_Deep${levels}`, levels))).said).toBe("invalid_event");
});

test("every procedure works", async () => {
  const sync = createSyncClient({ url: t.server.url, token: testAdminToken });
  const [person] = clerk.directory.list({ limit: 1, orderBy: { field: "created_at", descending: false } });
  const clerkId = person?.id ?? "";
  expect(await sync.sync.resync.mutate({ clerkId, dryRun: true })).toMatchObject({ outcome: "applied", dryRun: true });
  expect(await sync.sync.resync.mutate({ clerkId })).toMatchObject({ outcome: "applied" });
  expect(await sync.sync.user.query({ clerkId })).toMatchObject({ state: "synced", source: "resync" });
  await t.deliver("no event", { svixId: "msg_of_every_procedure" });
  expect((await sync.events.list.query({ outcome: "dead" })).items.map((item) => item.svixId)).toContain(
    "msg_of_every_procedure",
  );
  const { svixId, payload } = await sync.events.get.query({ svixId: "msg_of_every_procedure" });
  expect([payload, (await sync.events.replay.mutate({ svixId })).outcome]).toEqual(["no event", "dead"]);
  const { runId } = await sync.runs.start.mutate({ kind: "backfill" });
  await waitUntil(async () => (await sync.runs.get.query({ runId })).status === "done", 20_000);
  expect((await sync.runs.list.query({})).items.map((run) => run.runId)).toContain(runId);
  expect((await sync.runs.cancel.mutate({ runId })).status).toBe("done");
  expect((await sync.sync.status.query()).lastRun).toMatchObject({ kind: "backfill", seen: 3 });
  await t.deliver(userEvent(clerkUser("user_Linked")));
  const mentoradoId = (await sync.sync.user.query({ clerkId: "user_Linked" })).mentorado?.id ?? 0;
  expect((await sync.links.unlink.mutate({ mentoradoId })).clerkId).toBe("user_Linked");
  expect((await sync.links.conflicts.query()).items.map((item) => item.clerkId)).toContain("user_Linked");
  expect((await sync.links.resolve.mutate({ clerkId: "user_Linked", mentoradoId })).link).toBe("linked");
  const caller = createSyncClient({ url: t.server.url, token: signSession(clerkId) });
  expect(await caller.me.get.query()).toMatchObject({ clerkId, state: "synced" });
});

test("the schedule's call does what is due and answers when it is done; what is not due it leaves", async () => {
  const own = await openForTest(built.open({ env: { ...clerkEnv(clerk), RECONCILE_EVERY_MINUTES: "60" } }));
  const got = await own.app.request("/api/schedule");
  expect([got.status, got.headers.get("allow")]).toEqual([405, "POST"]);
  const first = await schedule(own);
  expect([first.status, await first.json()]).toEqual([
    200,
    { runs: [{ kind: "reconcile", status: "done" }], dueInMs: 3_600_000, note: null },
  ]);
  expect(await findDifferences(own.sql, clerk.directory, [])).toEqual([]);
  expect(await (await schedule(own)).json()).toMatchObject({ runs: [], note: null });
  expect(await own.sql`select from sync_runs`).toHaveLength(1);
});

test("at SIGINT what is in flight is answered and the run let go within 5 s; the next call of the schedule goes on", async () => {
  const large = await openForTest(openFaultyClerk({ users: 1_500, requestsPer10s: Number.POSITIVE_INFINITY }));
  large.setFault({ kind: "slow", ms: 200 });
  const env = { ...clerkEnv(large), RECONCILE_EVERY_MINUTES: "60" };
  const leaving = await openForTest(built.open({ env }));
  const scheduled = schedule(leaving);
  await waitUntil(async () => Number((await leaving.sql`select seen from sync_runs`)[0]?.["seen"] ?? 0) >= 500, 20_000);
  const locked = await leaving.sql.reserve();
  toClose.unshift(() => locked.release());
  await locked`begin`;
  await locked`lock table webhook_events in access exclusive mode`;
  const delivery = leaving.deliver(userEvent(clerkUser("user_InFlight")));
  await Bun.sleep(100);
  const toldAtMs = performance.now();
  leaving.server.signal("SIGINT");
  expect(await (await scheduled).json()).toMatchObject({ runs: [{ kind: "reconcile", status: "paused" }] });
  expect([(await delivery).status, await leaving.server.ended]).toEqual([503, 0]);
  expect(performance.now() - toldAtMs).toBeLessThan(5_000);
  await locked`rollback`;
  large.setFault(undefined);
  const next = await openForTest(built.open({ databaseUrl: leaving.db.url, env }));
  expect(await (await schedule(next)).json()).toMatchObject({ runs: [{ kind: "reconcile", status: "done" }] });
  const runs = await leaving.sql`select status, seen from sync_runs`;
  expect(runs.map((run) => ({ ...run }))).toEqual([{ status: "done", seen: 1_500 }]);
  expect(await findDifferences(leaving.sql, large.directory, [])).toEqual([]);
});

test("a configuration that is not usable is said in every answer, by name and without a value", async () => {
  const own = await openForTest(built.open({ databaseUrl: "hidden", env: { CLERK_WEBHOOK_SECRET: "" } }));
  for (const path of ["/", "/readyz", "/api/schedule"]) {
    const res = await own.app.request(path, { method: "POST" });
    const text = await res.text();
    expect([res.status, text]).toEqual([503, expect.stringContaining("CLERK_WEBHOOK_SECRET is missing")]);
    expect(text).toContain("DATABASE_URL");
    expect(text + own.server.output()).not.toContain("hidden");
  }
});

test("the build is one file for Node beside its declaration, without Bun or a folder of the machine it was made on", () => {
  expect(readdirSync(built.folder).sort()).toEqual(["README.md", "index.mjs", "neon.ts"]);
  const program = readFileSync(join(built.folder, "index.mjs"), "utf8");
  expect(program).not.toMatch(/\bBun\b|"bun:|import\.meta\.dir/);
  expect(program).not.toContain(join(import.meta.dir, "../.."));
});

test("neon.ts declares the function, what it needs, and the trigger that calls the schedule", async () => {
  const names = ["CLERK_WEBHOOK_SECRET", "CLERK_SECRET_KEY", "ADMIN_API_TOKEN", "DEFAULT_TURMA"];
  const before = names.map((name) => [name, process.env[name]] as const);
  toClose.push(() => {
    for (const [name, value] of before) if (value === undefined) delete process.env[name];
  });
  for (const name of names) process.env[name] = `the ${name}`;
  const { default: config } = await import("../../src/tools/neonFunction/neon.ts");
  const resolved = resolveConfig(config, { name: "main", exists: false });
  expect(resolved.preview?.functions).toMatchObject([
    {
      slug: "clerksync",
      source: "./index.mjs",
      bundler: "none",
      env: Object.fromEntries(names.map((name) => [name, `the ${name}`])),
    },
  ]);
  expect(Object.values(config.triggers ?? {})).toMatchObject([
    { type: "schedule", function: "clerksync", functionPath: "/api/schedule" },
  ]);
});
