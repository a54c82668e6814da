import { beforeAll, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { developmentWebhookSecret } from "../../src/dev/clerk/developmentKeys.ts";
import { openServer } from "../support/openServer.ts";
import { openTestApp, testSecret, type TestApp } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

const root = join(import.meta.dir, "../..");
let t: TestApp;
let server: ReturnType<typeof openServer>;
/** What is answered instead of the app, if anything. */
let before: () => Promise<Response | undefined>;
// The server and its template are made before any test's time runs.
beforeAll(async () => (await openTestDatabase()).close(), 30_000);
beforeEach(async () => {
  before = () => Promise.resolve(undefined);
  // Each has its own: what a simulation sent that was stopped may still be on its way into the tables.
  t = await openForTest(openTestApp({ app: { webhookSecrets: [developmentWebhookSecret] } }));
  server = await openForTest(openServer(async (req) => (await before()) ?? t.app.fetch(req)));
});

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { PATH = "", HOME = "" } = process.env;
  return Bun.spawn([process.execPath, "--no-env-file", "src/cli/main.ts", ...args], {
    cwd: root,
    // A proxy must not be asked for what runs here.
    env: { PATH, HOME, HTTP_PROXY: "http://127.0.0.1:9", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function run(args: readonly string[], env?: Readonly<Record<string, string>>) {
  const child = start(args, env);
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, status };
}

const simulate = (...more: string[]) => ["simulate", "--url", server.origin, ...more];

test("without a secret simulate signs with the development one; every event is accepted and stored", async () => {
  const { stdout, status } = await run(simulate("--users", "40", "--json"));
  expect(status).toBe(0);
  const report = JSON.parse(stdout) as { events: number; deliveries: number; answers: Record<string, number> };
  expect(report).toMatchObject({ users: 40, failed: 0, interrupted: false });
  const [rows] = await t.sql`
    select count(*)::int as users, count(deleted_at)::int as deleted,
           (select count(*)::int from webhook_events) as events, (select sum(attempts)::int from webhook_events) as deliveries
    from users`;
  expect(rows).toEqual({ users: 44, deleted: 4, events: report.events, deliveries: report.deliveries });
  expect(Object.values(report.answers).reduce((sum, count) => sum + count)).toBe(report.deliveries);
}, 30_000);

test("a second simulation sends the same users as new events, which change nothing", async () => {
  await run(simulate("--users", "5"));
  const rows = await t.sql`select clerk_id, updated_at from users order by id`;
  const { stdout, status } = await run(simulate("--users", "5", "--json"));
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).not.toHaveProperty("answers.applied");
  expect([...(await t.sql`select clerk_id, updated_at from users order by id`)]).toEqual([...rows]);
}, 30_000);

test("simulate signs with the secret of the environment, and says so if the server has another one", async () => {
  const { stderr, status } = await run(simulate(), { CLERK_WEBHOOK_SECRET: testSecret });
  expect(status).toBe(1);
  expect(stderr).toContain("verifies with another secret");
  expect(await t.sql`select from webhook_events`).toHaveLength(0);
});

test("without a terminal simulate prints its progress as plain lines, then the report", async () => {
  const { stdout } = await run(simulate("--users", "3"));
  expect(stdout).toMatch(/^simulate: \d+ of \d+ events taken\n(?:.*\n)*failed +0$/m);
});

test("simulate retries a delivery that is answered 503", async () => {
  let answered = 0;
  before = () => Promise.resolve(answered++ === 0 ? new Response(null, { status: 503 }) : undefined);
  const { stdout, status } = await run(simulate("--users", "2", "--json"));
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ failed: 0, answers: { "status 503": 1 } });
});

test("where nothing listens simulate ends soon and says so, and standard output is still one JSON document", async () => {
  await server.close();
  const { stdout, stderr, status } = await run(simulate("--users", "500", "--json"));
  expect(status).toBe(1);
  expect(stderr).toContain("Nothing answered");
  const report = JSON.parse(stdout) as { users: number; deliveries: number; answers: Record<string, number> };
  expect(report).toMatchObject({ users: 500, answers: { "no answer": report.deliveries } });
  // The first event and its repetition, both perhaps doubled; none of the others.
  expect([2, 3, 4]).toContain(report.deliveries);
});

test.each<[string, [string, string]]>([
  ["--users 0", ["--users", "0"]],
  ["--users 1.5", ["--users", "1.5"]],
  ["--users 100001", ["--users", "100001"]],
  ["--url ftp://x", ["--url", "ftp://x"]],
  ["--url nowhere", ["--url", "nowhere"]],
])("%s is refused before anything is sent", async (_, args) => {
  const { stdout, stderr, status } = await run([...simulate(), ...args]);
  expect([stdout, status]).toEqual(["", 1]);
  expect(stderr).toContain(args[0]);
});

test("Ctrl-C stops simulate, which reports how far it came", async () => {
  let arrived = 0;
  const { promise: enough, resolve } = Promise.withResolvers<undefined>();
  before = () => {
    if (++arrived > 20) resolve(undefined);
    return arrived > 20 ? new Promise(() => undefined) : Promise.resolve(undefined);
  };
  const child = start(simulate("--users", "200", "--json"));
  await enough;
  child.kill("SIGINT");
  expect(await child.exited).toBe(1);
  const report = JSON.parse(await new Response(child.stdout).text()) as { failed: number };
  expect(report).toMatchObject({ interrupted: true });
  expect(report.failed).toBeGreaterThan(100);
}, 20_000);
