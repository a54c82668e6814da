import { expect, test } from "bun:test";
import manifest from "../../package.json" with { type: "json" };
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";
import { cli, startCli } from "../support/cli.ts";
import { openTestDatabase, testServerUrl } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

test("a refused connection is reported by a sentence with what to do, not by a stack", async () => {
  const nowhere = new URL(await testServerUrl());
  nowhere.pathname = "/nowhere";
  for (const args of [["migrate"], ["status"]]) {
    const end = await startCli([...args, "--json"], { DATABASE_URL: nowhere.href }).ended;
    expect(end).toMatchObject({
      code: 1,
      stderr: "Database: the database does not exist: check its name in the URL.\n",
    });
    expect(JSON.parse(end.stdout)).toMatchObject({ error: { code: "precondition_failed" } });
  }
  const empty = await openForTest(openTestDatabase({ migrated: false }));
  for (const command of ["status", "conflicts", "backfill"]) {
    const env = { DATABASE_URL: empty.url, CLERK_SECRET_KEY: "sk_test_x" };
    const end = await startCli([command, "--json"], env).ended;
    expect(end.stderr).toMatch(/^Database: its (?:tables|functions) are missing or old: run `bun run db:migrate`\.\n$/);
    expect([end.code, JSON.parse(end.stdout)]).toMatchObject([1, { error: { code: "precondition_failed" } }]);
  }
  const away = await startCli(["status"], { DATABASE_URL: "postgres://u:p@127.0.0.1:1/db" }).ended;
  expect(away.code).toBe(1);
  expect(away.stderr).toContain("nothing listens there: check host and port, and that the database is running");
});

test("with --json a command that is unknown or wrongly called answers one JSON document too", async () => {
  const calls = [["nope"], ["backfill", "--nope"], ["resync"], ["resync", "user_a", "user_b"], ["simulate"], []];
  const ends = await Promise.all(calls.map((args) => startCli([...args, "--json"], {}).ended));
  for (const { code, stdout, stderr } of ends) {
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { error: { code: "bad_request" } }]);
    expect(stderr).toContain("Usage: clerk-neon-sync");
  }
  expect(await startCli(["--version"], {}).ended).toMatchObject({ code: 0, stderr: "" });
});

test("migrate --json has the warnings of the rehearsal", async () => {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  await db.sql.unsafe(`create table users (id serial primary key, clerk_id varchar(64) unique, email text);
    create unique index one_address on users (lower(email))`);
  const { code, stdout } = await startCli(["migrate", "--json"], { DATABASE_URL: db.url }).ended;
  const warnings = [expect.stringContaining("one_address") as string];
  expect([code, JSON.parse(stdout)]).toEqual([0, { migrated: true, warnings }]);
});

test("an error of Postgres without advice is shown in its words, without the row that it was about", async () => {
  const db = await openForTest(openTestDatabase());
  await db.sql.unsafe(`create or replace function ${functionsSchema}.user_figures() returns jsonb language plpgsql as $$
    begin raise exception 'out of order' using detail = 'another@example.com'; end $$`);
  const end = await startCli(["status", "--json"], { DATABASE_URL: db.url }).ended;
  expect(end).toMatchObject({ code: 1, stderr: "Postgres says: out of order (P0001).\n" });
  expect(JSON.parse(end.stdout)).toEqual({
    error: { code: "internal", message: "Postgres says: out of order (P0001)." },
  });
});

test("a replay fails if the event stays dead, and its answer is on standard output all the same", async () => {
  const db = await openForTest(openTestDatabase());
  await db.sql`insert into webhook_events (svix_id, received_at, settled_at, outcome, error_code, payload)
    values ('msg_dead', now(), now(), 'dead', 'not_json', '{'),
           ('msg_ignored', now(), now(), 'ignored', null, '{"type":"session.created","data":{}}')`;
  const replay = (svixId: string) => startCli(["replay", svixId, "--json"], { DATABASE_URL: db.url }).ended;
  const { code, stdout } = await replay("msg_dead");
  expect([code, JSON.parse(stdout)]).toEqual([1, { svixId: "msg_dead", outcome: "dead" }]);
  expect((await replay("msg_ignored")).code).toBe(0);
});

test("status --check prints each alarm and ends with 1 if there is one; with --json it is the answer of sync.status", async () => {
  const db = await openForTest(openTestDatabase());
  const check = (...args: string[]) => startCli(["status", "--check", ...args], { DATABASE_URL: db.url }).ended;
  expect(await check()).toMatchObject({
    code: 0,
    stdout: "No alarms. No webhook has arrived yet; add the endpoint in Clerk's dashboard.\n",
  });
  const [run] = await db.sql<{ startedAt: string }[]>`
    insert into sync_runs (id, kind, status, dry_run, started_by, "full", started_at)
    values (gen_random_uuid(), 'reconcile', 'done', false, 'schedule', true, now() - interval '25 hours')
    returning to_json(started_at at time zone 'UTC')#>>'{}' as "startedAt"`;
  const silent = await check();
  expect([silent.code, silent.stdout]).toEqual([
    1,
    expect.stringMatching(
      /^warning {3}silence: No webhook has arrived yet; add the endpoint in Clerk's dashboard. \(since/,
    ),
  ]);
  const json = await check("--json");
  expect([json.code, JSON.parse(json.stdout)]).toMatchObject([
    1,
    { alarms: [{ code: "silence", since: expect.stringContaining(run?.startedAt.slice(0, 19) ?? "") as string }] },
  ]);
  await db.sql`insert into webhook_events (svix_id, received_at, settled_at, outcome) values ('msg_1', now(), now(), 'applied')`;
  expect(await check()).toMatchObject({ code: 0, stdout: "No alarms.\n" });
  expect(await check("user_A")).toMatchObject({ code: 1, stderr: expect.stringContaining("--check") as string });
});

test("--version is the version of package.json", async () => {
  const { code, stdout } = await startCli(["--version"], {}).ended;
  expect([code, stdout]).toEqual([0, `${manifest.version}\n`]);
});

test("a command whose reader has gone finishes its work and keeps its exit code", async () => {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  const command = [...cli, "migrate"].map((word) => `'${word}'`).join(" ");
  const child = Bun.spawn(["bash", "-c", `{ ${command}; echo "code $?" >&2; } | true`], {
    env: { PATH: process.env["PATH"] ?? "", DATABASE_URL: db.url },
    stderr: "pipe",
  });
  expect(await child.stderr.text()).toBe("code 0\n");
  expect(await db.sql`select from users`).toHaveLength(0);
});
