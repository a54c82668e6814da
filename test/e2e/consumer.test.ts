import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clerkUser, userEvent } from "../support/events.ts";
import { findNode24 } from "../support/node24.ts";
import { openServer } from "../support/openServer.ts";
import { signSession, testJwtKey } from "../support/sessionTokens.ts";
import { openTestApp, testAdminToken, testSecret } from "../support/testApp.ts";
import { openTestDatabase, type TestDatabase } from "../support/testDatabase.ts";
import { openForTest, toClose } from "../support/toClose.ts";

const root = join(import.meta.dir, "../..");
let folder: string;
let db: TestDatabase;

/** Another package, with this one installed as `bun pm pack` makes it, and the same dependencies. */
beforeAll(async () => {
  db = await openTestDatabase({ migrated: false });
  folder = mkdtempSync(join(tmpdir(), "clerk-neon-sync-consumer-"));
  cpSync(join(import.meta.dir, "consumer"), folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{"name":"consumer","type":"module","private":true}');
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "clerk-neon-sync"), { recursive: true });
  run(process.execPath, ["pm", "pack", "--ignore-scripts", "--quiet", "--destination", folder], root);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  run("tar", ["-xzf", join(folder, tarball), "--strip-components=1", "-C", join(modules, "clerk-neon-sync")], folder);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
}, 60_000);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await db.close();
});

function run(command: string, args: string[], cwd: string): string {
  const result = spawnSync(command, args, { cwd, encoding: "utf8" });
  expect({ command, status: result.status, output: result.status === 0 ? "" : result.stdout + result.stderr }).toEqual({
    command,
    status: 0,
    output: "",
  });
  return result.stdout;
}

test("the package contains what it exports, and no test, development part or local file", () => {
  const files = readdirSync(join(folder, "node_modules/clerk-neon-sync"), { recursive: true }).map(String);
  for (const path of [
    "src/index.ts",
    "src/trpc/client.ts",
    "src/store/schema.ts",
    "src/store/sql/users/user_state.sql",
  ]) {
    expect(files).toContain(path);
  }
  expect(files.filter((path) => /^(?:test|\.|node_modules|dist|bun\.lock|src\/dev\b)/.test(path))).toEqual([]);
});

test.each([
  ["cli simulate", ["run", "--silent", "cli", "simulate", "--url", "http://127.0.0.1:9"]],
  ["dev", ["run", "--silent", "dev"]],
  ["demo", ["run", "--silent", "demo"]],
])("%s of the installed package says that it needs a clone of the repository", (command, args) => {
  const result = spawnSync(process.execPath, args, {
    cwd: join(folder, "node_modules/clerk-neon-sync"),
    env: { PATH: process.env["PATH"] },
    encoding: "utf8",
  });
  expect({ status: result.status, stdout: result.stdout, stderr: result.stderr.trim() }).toEqual({
    status: 1,
    stdout: "",
    stderr: `\`bun run ${command}\` needs a clone of the repository: the package has no src/dev.`,
  });
});

test("a package that uses it compiles in strict mode with every type inferred, and its page without Bun's types", () => {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  run(process.execPath, [tsc, "-p", folder], folder);
  run(process.execPath, [tsc, "-p", join(folder, "tsconfig.page.json")], folder);
}, 60_000);

test("mounted beside a team's own routes and merged into its router, every procedure works", async () => {
  const child = spawn(process.execPath, ["drive.ts"], {
    cwd: folder,
    env: {
      PATH: process.env["PATH"],
      DATABASE_URL: db.url,
      CLERK_WEBHOOK_SECRET: testSecret,
      CLERK_JWT_KEY: testJwtKey,
      ADMIN_API_TOKEN: testAdminToken,
      SESSION_TOKEN: signSession("user_Caller"),
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number];
  expect([code, output]).toEqual([0, "every procedure driven\n"]);
}, 60_000);

test("a page that bundles the client contains no server code and stays small", async () => {
  const built = await Bun.build({
    entrypoints: [join(folder, "browser.ts")],
    target: "browser",
    minify: true,
    metafile: true,
  });
  const [output] = built.outputs;
  const text = (await output?.text()) ?? "";
  expect(text).toContain("/api/trpc");
  const inputs = Object.keys(built.metafile?.inputs ?? {}).map((path) => path.replace(/^.*node_modules\//, ""));
  expect(inputs.length).toBeGreaterThan(2);
  for (const path of inputs)
    expect(path).toMatch(
      /(?:browser\.ts|^clerk-neon-sync\/src\/trpc\/client\.ts|^@trpc\/(?:client|server)\/dist\/.*)$/,
    );
  expect(Bun.gzipSync(new TextEncoder().encode(text)).byteLength).toBeLessThan(15_000);
});

test("client and tables work on Node 24, bundled by esbuild, without any code of the server", async () => {
  const t = await openForTest(openTestApp());
  const server = openServer((req) => t.app.fetch(req));
  toClose.unshift(server.close);
  await t.deliver(userEvent(clerkUser("user_OnNode")));
  const esbuild = join(root, "node_modules/esbuild/bin/esbuild");
  const flags = ["--bundle", "--platform=node", "--format=esm", "--preserve-symlinks", "--metafile=meta.json"];
  run(process.execPath, [esbuild, "node.ts", ...flags, "--outfile=node.mjs"], folder);
  const { inputs } = JSON.parse(readFileSync(join(folder, "meta.json"), "utf8")) as { inputs: Record<string, unknown> };
  const own = Object.keys(inputs).filter((path) => path.includes("clerk-neon-sync/"));
  expect(own.map((path) => path.replace("node_modules/clerk-neon-sync/", "")).sort()).toEqual([
    "src/store/schema.ts",
    "src/trpc/client.ts",
  ]);
  const env = { SYNC_URL: server.origin, ADMIN_API_TOKEN: testAdminToken, DATABASE_URL: t.db.url };
  // Another process has to answer while this one waits.
  const child = spawn(findNode24(), ["node.mjs"], { cwd: folder, env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(child, "close");
  expect(output).toBe("on Node synced Ana Souza\n");
}, 60_000);
