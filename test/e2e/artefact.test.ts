import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clerkUser, userEvent } from "../support/events.ts";
import { startServerProcess } from "../support/serverProcess.ts";
import { testAdminToken, testSecret } from "../support/testApp.ts";
import { openTestDatabase, type TestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

const root = join(import.meta.dir, "../..");
/** Away from the repository: no source, no node_modules, no bunfig.toml above it. */
let folder: string;
let path: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "clerk-neon-sync-artefact-"));
  path = join(folder, "clerk-neon-sync");
  const built = spawnSync(process.execPath, ["src/tools/build.ts", path], { cwd: root, encoding: "utf8" });
  expect([built.status, built.stderr]).toEqual([0, ""]);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(db: TestDatabase, ...args: string[]) {
  const env = { DATABASE_URL: db.url, CLERK_WEBHOOK_SECRET: testSecret };
  return spawnSync(path, args, { cwd: folder, encoding: "utf8", env });
}

test("the one-file program alone migrates a database, serves it with the page, and stops in order", async () => {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  expect(run(db, "doctor", "--json").status).toBe(1);
  const migrated = run(db, "migrate");
  expect([migrated.status, migrated.stdout]).toEqual([0, "The database is up to date.\n"]);

  const server = await startServerProcess({ databaseUrl: db.url, executable: { path, cwd: folder } });
  expect((await server.get("/readyz")).status).toBe(200);
  expect((await server.get("/bun:info")).status).toBe(404);
  const page = await server.get("/");
  expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html;charset=utf-8"]);
  const script = /src="([^"]+\.js)"/.exec(page.body)?.[1] ?? "";
  expect((await server.get(new URL(script, "http://any/").pathname)).status).toBe(200);
  const answer = await server.deliver(userEvent(clerkUser("user_Artefact")));
  expect([answer.status, answer.said]).toEqual([200, "applied"]);
  const status = await fetch(`${server.url}/api/trpc/sync.status`, {
    headers: { authorization: `Bearer ${testAdminToken}` },
  });
  expect(await status.json()).toMatchObject({ result: { data: { users: { total: 1 } } } });
  const port = new URL(server.url).port;
  const health = (env: Record<string, string>) => spawnSync(path, ["healthcheck"], { cwd: folder, env }).status;
  expect(health({ PORT: port })).toBe(0);
  server.signal("SIGTERM");
  expect(await server.ended).toBe(0);
  expect(health({ PORT: port })).toBe(1);
  expect(await db.sql`select outcome from webhook_events`).toMatchObject([{ outcome: "applied" }]);
  expect(JSON.parse(run(db, "status", "user_Artefact", "--json").stdout)).toMatchObject({ state: "synced" });
  expect(readdirSync(folder)).toEqual(["clerk-neon-sync"]);
}, 60_000);

test("the one-file program has every command; a configuration error stops it and names variables only", async () => {
  const db = await openForTest(openTestDatabase());
  expect(JSON.parse(run(db, "status", "user_Nobody", "--json").stdout)).toMatchObject({ state: "missing" });
  expect(run(db, "--help").stdout).toContain("reconcile");
  const refused = spawnSync(path, [], { cwd: folder, encoding: "utf8", env: { DATABASE_URL: "hidden" } });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("CLERK_WEBHOOK_SECRET is missing");
  expect(refused.stdout + refused.stderr).not.toContain("hidden");
}, 30_000);

test("the container's recipe pins this Bun, copies the file alone and runs as a non-root user", () => {
  const recipe = readFileSync(join(root, ".Dockerfile"), "utf8");
  const last = recipe.slice(recipe.lastIndexOf("\nFROM "));
  expect(recipe).toContain(`FROM oven/bun:${Bun.version}-slim`);
  expect(last.match(/^COPY .*/gm)).toEqual(["COPY --from=build /build/clerk-neon-sync /clerk-neon-sync"]);
  expect(last).toMatch(/^USER nonroot$/m);
  expect(last).toMatch(/^HEALTHCHECK .* CMD \["\/clerk-neon-sync", "healthcheck"\]$/m);
  // What the build stage copies has to exist, and everything else stays out of the build's context.
  const ignored = readFileSync(join(root, ".dockerignore"), "utf8").trim().split("\n");
  expect(ignored[0]).toBe("*");
  const copied = (recipe.match(/^COPY (?!--from).*/gm) ?? []).flatMap((line) => line.split(" ").slice(1, -1));
  expect(copied.sort()).toEqual(
    ignored
      .slice(1)
      .map((line) => line.slice(1))
      .sort(),
  );
  for (const name of copied) expect(readdirSync(root)).toContain(name);
});
