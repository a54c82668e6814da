import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFreePort } from "../../src/dev/findFreePort.ts";
import { developmentAdminToken } from "../../src/dev/clerk/developmentKeys.ts";
import { createSyncClient, type SyncClient } from "../../src/trpc/client.ts";
import { findLeftProcesses, findProcesses } from "../support/leftovers.ts";

const root = join(import.meta.dir, "../..");
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "dev-test-"));
  await chmod(folder, 0o755);
});

const running = new Set<Bun.Subprocess>();
afterEach(async () => {
  for (const dev of running) dev.kill("SIGKILL");
  expect(await findLeftProcesses(folder)).toEqual([]);
  running.clear();
  await rm(folder, { recursive: true, force: true });
});

/** Nothing of this shell's configuration, and data of its own. */
function environment(port: number, more: Readonly<Record<string, string>> = {}) {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME, PORT: String(port), DEV_DATA_FOLDER: folder, LOG_FORMAT: "json", ...more };
}

async function startDev(port: number, more: Readonly<Record<string, string>> = {}) {
  const dev = Bun.spawn([process.execPath, "--no-env-file", "src/dev/dev.ts"], {
    cwd: root,
    env: environment(port, more),
    stdout: "pipe",
    stderr: "pipe",
  });
  running.add(dev);
  void dev.exited.then(() => running.delete(dev));
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream) output += new TextDecoder().decode(chunk);
  };
  const ended = Promise.all([read(dev.stdout), read(dev.stderr), dev.exited]);
  const url = `http://127.0.0.1:${port}`;
  const isReady = async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200;
  const deadline = Date.now() + 30_000;
  while (!(await isReady()) && dev.exitCode === null && Date.now() < deadline) await Bun.sleep(50);
  const client = createSyncClient({ url, token: developmentAdminToken });
  return { dev, url, client, ended, output: () => output };
}

async function runCli(port: number, ...args: string[]) {
  const cli = Bun.spawn([process.execPath, "--no-env-file", "src/cli/main.ts", ...args], {
    cwd: root,
    env: environment(port),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, status] = await Promise.all([new Response(cli.stdout).text(), cli.exited]);
  return { stdout, status };
}

test("dev names every stand-in and accepts what simulate sends; a kill -9 leaves no process and loses no row", async () => {
  const port = await findFreePort();
  const first = await startDev(port);
  for (const line of [
    /^\[Dev\] No DATABASE_URL: .*embedded Postgres/m,
    /^\[Dev\] No CLERK_WEBHOOK_SECRET: .*whsec_/m,
    /^\[Dev\] No CLERK_SECRET_KEY: a simulated Clerk .* http:/m,
    /^\[Dev\] No ADMIN_API_TOKEN: .*development-admin-token/m,
  ]) {
    expect(first.output()).toMatch(line);
  }
  const sent = await runCli(port, "--json", "simulate", "--url", first.url, "--users", "20");
  expect(sent.status).toBe(0);
  expect(JSON.parse(sent.stdout)).toMatchObject({ users: 20, failed: 0, interrupted: false });
  expect((await first.client.sync.status.query()).users).toEqual({ total: 22, active: 20, deleted: 2 });

  expect((await findProcesses(folder)).length).toBeGreaterThan(0);
  first.dev.kill("SIGKILL");
  await first.dev.exited;
  expect(await findLeftProcesses(folder)).toEqual([]);
  await waitUntilFree(first.url);

  const second = await startDev(port);
  expect((await second.client.sync.status.query()).users).toEqual({ total: 22, active: 20, deleted: 2 });
  second.dev.kill("SIGTERM");
  expect(await second.dev.exited).toBe(0);
  expect(await findLeftProcesses(folder)).toEqual([]);
  await Promise.all([first.ended, second.ended]);
}, 90_000);

async function waitUntilFree(url: string): Promise<void> {
  const answers = () =>
    fetch(url).then(
      () => true,
      () => false,
    );
  const deadline = Date.now() + 8_000;
  while ((await answers()) && Date.now() < deadline) await Bun.sleep(50);
  expect(await answers()).toBeFalse();
}

async function readEnvFile(): Promise<Record<string, string>> {
  const text = await readFile(join(folder, "dev.env"), "utf8");
  return Object.fromEntries(text.matchAll(/^(\w+)="(.*)"$/gm).map(([, name, value]) => [name, value])) as Record<
    string,
    string
  >;
}

/** A call of the simulated Clerk's API, as by curl. */
async function callClerk(path: string, body: unknown): Promise<{ id: string; jwt: string }> {
  const env = await readEnvFile();
  const headers = { authorization: `Bearer ${env["CLERK_SECRET_KEY"]}` };
  const res = await fetch(`${env["CLERK_API_URL"]}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return (await res.json()) as { id: string; jwt: string };
}

async function signUp(client: SyncClient, email: string) {
  const { id: clerkId } = await callClerk("/v1/users", { email_address: [email], first_name: "New" });
  const deadline = Date.now() + 5_000;
  const find = () => client.sync.user.query({ clerkId });
  while ((await find()).state === "missing" && Date.now() < deadline) await Bun.sleep(20);
  return find();
}

test("in dev a user created by curl arrives by webhook, a re-sync changes nothing and a session token is valid, also after a restart", async () => {
  const { dev, url, client, ended } = await startDev(await findFreePort());
  const { clerkId, ...user } = await signUp(client, "new@example.com");
  expect(user).toMatchObject({ state: "synced", link: "linked", source: "webhook", user: { name: "New" } });
  expect(await client.sync.resync.mutate({ clerkId })).toMatchObject({ outcome: "unchanged" });

  const { id: sessionId } = await callClerk("/v1/sessions", { user_id: clerkId });
  const { jwt } = await callClerk(`/v1/sessions/${sessionId}/tokens`, {});
  expect(await createSyncClient({ url, token: jwt }).me.get.query()).toMatchObject({ clerkId, state: "synced" });
  dev.kill("SIGINT");
  expect(await dev.exited).toBe(0);
  await ended;

  const again = await startDev(await findFreePort());
  const other = await signUp(again.client, "other@example.com");
  expect(other).toMatchObject({ state: "synced", link: "linked", user: { email: "other@example.com" } });
  expect(other.clerkId).not.toBe(clerkId);
  again.dev.kill("SIGTERM");
  await again.ended;
}, 60_000);

test("a second dev on the same data folder ends with one line that names the process that uses it", async () => {
  const { dev, ended } = await startDev(await findFreePort());
  const second = await startDev(await findFreePort());
  expect(await second.dev.exited).toBe(1);
  await second.ended;
  expect(second.output()).toMatch(
    /^\S+postgres is in use by another program \(Postgres process \d+\); stop that first\n$/,
  );
  dev.kill("SIGTERM");
  expect(await dev.exited).toBe(0);
  await ended;
}, 60_000);

test("a port in use ends dev with one line and leaves nothing running", async () => {
  const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("other") });
  const { dev, output, ended } = await startDev(other.port ?? 0);
  expect(await dev.exited).toBe(1);
  await ended;
  expect(output()).toBe(`Port ${other.port} is taken; stop what listens there, or set PORT.\n`);
  await other.stop(true);
}, 30_000);
