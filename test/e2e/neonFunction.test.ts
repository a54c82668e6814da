import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, resolveConfig } from "@neon/config/v1";
import { createSyncClient } from "../../src/trpc/client.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { openFaultyClerk, type FaultyClerk } from "../support/faultyClerk.ts";
import { declareHttpCases } from "../support/httpCases.ts";
import { buildNeonFunction, type BuiltFunction, type FunctionApp } from "../support/neonFunction.ts";
import { declarePageCases } from "../support/pageCases.ts";
import { waitUntil } from "../support/runs.ts";
import { signSession, testJwtKey } from "../support/sessionTokens.ts";
import { signDelivery, testAdminToken } from "../support/testApp.ts";
import { codeOf } from "../support/trpcClient.ts";
import { openForTest, toClose } from "../support/toClose.ts";
import { declareWebhookCases, webhookCaseSecrets } from "../support/webhookCases.ts";

setDefaultTimeout(60_000);
let built: BuiltFunction;
let clerk: FaultyClerk;
const t = {} as FunctionApp;

beforeAll(async () => {
  [built, clerk] = await Promise.all([buildNeonFunction(), openFaultyClerk({ users: 3, instanceId: "ins_1" })]);
  const opened = await built.open({
    env: {
      CLERK_SECRET_KEY: clerk.secretKey,
      CLERK_API_URL: clerk.apiUrl,
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

test("the function answers health, readiness with a rehearsal, and metrics", async () => {
  expect((await t.app.request("/healthz")).status).toBe(200);
  await waitUntil(async () => (await (await t.app.request("/readyz")).text()).includes('"rehearsal":"ok"'), 10_000);
  expect((await t.app.request("/metrics")).status).toBe(401);
  const headers = { authorization: `Bearer ${testAdminToken}` };
  const metrics = await (await t.app.request("/metrics", { headers })).text();
  expect(metrics).toContain("nodejs_version_info");
  expect(metrics).toContain("clerk_sync_deliveries_total");
});

test("metadata nested as deep as Clerk's 8 KB allow are applied; deeper ones end as dead", async () => {
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

test("with Node's own request streams bodies are read, and a body that is too large harms no connection", async () => {
  const own = await openForTest(built.open({ env: { FUNCTION_ADAPTER: "plain" } }));
  const large = "x".repeat(1024 * 1024 + 1);
  const post = (body: RequestInit["body"]) =>
    own.app.request("/api/webhooks/clerk", { method: "POST", body, headers: signDelivery("") });
  for (let round = 0; round < 3; round += 1) {
    expect((await post(large)).status).toBe(413);
    expect((await post(new Response(large).body)).status).toBe(413);
    expect((await own.deliver(userEvent(clerkUser("user_Stream")))).status).toBe(200);
  }
  const sync = createSyncClient({ url: own.server.url, token: testAdminToken });
  expect(await codeOf(sync.sync.resync.mutate({ clerkId: "user_Stream" }))).toBe("PRECONDITION_FAILED");
});

test.each(["plain", "hono"])(
  "senders that hang up in the middle of a body do not end the process (%s adapter)",
  async (adapter) => {
    const own = await openForTest(built.open({ env: { FUNCTION_ADAPTER: adapter } }));
    const hangUp = (request: string, afterMs: number) =>
      new Promise<void>((resolve) => {
        const socket = connect(Number(new URL(own.server.url).port), "127.0.0.1", () => {
          socket.write(request);
          setTimeout(() => socket.destroy(), afterMs);
        });
        socket.on("error", () => undefined).on("close", () => resolve());
      });
    const bodies = [
      "content-length: 5000000\r\n\r\nx",
      `content-length: 5000000\r\n\r\n${"x".repeat(200_000)}`,
      "content-length: 500\r\n\r\nx",
      "transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    ];
    const signed = Object.entries(signDelivery("")).map(([name, value]) => `${name}: ${value}\r\n`);
    // At work for a moment, connecting to its database, with a body that it does not read and that has failed meanwhile.
    await hangUp("POST /api/schedule HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 0);
    for (const path of ["/api/webhooks/clerk", "/api/trpc/sync.resync", "/nothing"]) {
      const head = `POST ${path} HTTP/1.1\r\nhost: x\r\n${signed.join("")}`;
      await Promise.all(bodies.flatMap((body) => [0, 5, 50].map((afterMs) => hangUp(head + body, afterMs))));
    }
    expect((await own.deliver(userEvent(clerkUser("user_AfterHangUps")))).said).toBe("applied");
  },
);

test("every tRPC procedure works on Node", async () => {
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

test("a configuration error is named in every answer, without a value", async () => {
  const own = await openForTest(built.open({ databaseUrl: "hidden", env: { CLERK_WEBHOOK_SECRET: "" } }));
  for (const path of ["/", "/readyz", "/api/schedule"]) {
    const res = await own.app.request(path, { method: "POST" });
    const text = await res.text();
    expect([res.status, text]).toEqual([503, expect.stringContaining("CLERK_WEBHOOK_SECRET is missing")]);
    expect(text).toContain("DATABASE_URL");
    expect(text + own.server.output()).not.toContain("hidden");
  }
});

test("the build is one file for Node beside its declaration, without Bun's APIs or paths of the build machine", () => {
  expect(readdirSync(built.folder).sort()).toEqual(["README.md", "index.mjs", "neon.ts"]);
  const program = readFileSync(join(built.folder, "index.mjs"), "utf8");
  expect(program).not.toMatch(/\bBun\b|"bun:|import\.meta\.dir/);
  expect(program).not.toContain(join(import.meta.dir, "../.."));
  // The command line of Neon reads it where no package is installed.
  const declaration = new Bun.Transpiler({ loader: "ts" }).scanImports(readFileSync(join(built.folder, "neon.ts")));
  expect(declaration).toEqual([]);
});

test("neon.ts declares the function, what it needs, and the trigger that calls the schedule", async () => {
  const names = ["CLERK_WEBHOOK_SECRET", "CLERK_SECRET_KEY", "ADMIN_API_TOKEN", "DEFAULT_TURMA"];
  const before = names.map((name) => [name, process.env[name]] as const);
  toClose.push(() => {
    for (const [name, value] of before) if (value === undefined) delete process.env[name];
  });
  for (const name of names) process.env[name] = `the ${name}`;
  const { default: config } = await import("../../src/tools/neonFunction/neon.ts");
  const resolved = resolveConfig(defineConfig(config), { name: "main", exists: false });
  expect(resolved.preview?.functions).toMatchObject([
    {
      slug: "clerksync",
      source: "./index.mjs",
      bundler: "none",
      env: Object.fromEntries(names.map((name) => [name, `the ${name}`])),
    },
  ]);
  expect(Object.values(config.triggers ?? {})).toMatchObject([
    { type: "schedule", function: "clerksync", functionPath: "/api/schedule", cron: "7 */12 * * *" },
  ]);
});
