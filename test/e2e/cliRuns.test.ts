import { expect, test } from "bun:test";
import { join } from "node:path";
import { findDifferences } from "../../src/dev/clerk/findDifferences.ts";
import { lastLine, startCli } from "../support/cli.ts";
import { openFaultyClerk, type FaultyClerk } from "../support/faultyClerk.ts";
import { figuresOf, waitUntil } from "../support/runs.ts";
import { openTestDatabase, type TestDatabase } from "../support/testDatabase.ts";
import { openForTest, toClose } from "../support/toClose.ts";

interface CliTest {
  readonly clerk: FaultyClerk;
  readonly db: TestDatabase;
  readonly start: (args: readonly string[], env?: Readonly<Record<string, string>>) => ReturnType<typeof startCli>;
  /** Users that the newest run has looked at. */
  readonly seen: () => Promise<number>;
}

async function openCliTest(users: number): Promise<CliTest> {
  const clerk = await openFaultyClerk({ users, requestsPer10s: Number.POSITIVE_INFINITY });
  const db = await openForTest(openTestDatabase());
  toClose.push(clerk.close);
  return {
    clerk,
    db,
    start: (args, env = {}) => {
      const cli = startCli(args, {
        DATABASE_URL: db.url,
        CLERK_SECRET_KEY: clerk.secretKey,
        CLERK_API_URL: clerk.apiUrl,
        ...env,
      });
      toClose.unshift(async () => {
        cli.signal("SIGKILL");
        await cli.ended;
      });
      return cli;
    },
    seen: async () => {
      const [run] = await db.sql<{ seen: number }[]>`select seen from sync_runs order by started_at desc limit 1`;
      return run?.seen ?? 0;
    },
  };
}

test("a backfill exits 0 and prints plain lines where there is no terminal", async () => {
  const c = await openCliTest(700);
  const { code, stdout, stderr } = await c.start(["backfill"]).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^status +done$/m);
  expect(stdout).toMatch(/^seen +700$/m);
  expect(stdout).not.toContain("\u001b");
  expect(await findDifferences(c.db.sql, c.clerk.directory, [])).toEqual([]);
});

test("with --json every line is a run in the shape of runs.get, the last one the result", async () => {
  const c = await openCliTest(1_200);
  c.clerk.setFault({ kind: "slow", ms: 1_500 });
  const end = await c.start(["--json", "reconcile", "--dry-run"]).ended;
  expect(end.code).toBe(0);
  const lines = end.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect(lines.length).toBeGreaterThan(1);
  const keys = [
    "runId",
    "kind",
    "status",
    "dryRun",
    "startedAt",
    "finishedAt",
    "seen",
    "applied",
    "unchanged",
    "stale",
  ];
  for (const line of lines) expect(Object.keys(line)).toEqual([...keys, "deleted", "drift", "driftByKind", "error"]);
  expect(figuresOf(lastLine(end))).toEqual({ status: "done", seen: 1_200, applied: 1_200, drift: 1_200 });
  expect(await c.db.sql`select from users`).toHaveLength(0);
});

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s stops a backfill cleanly with a non-zero exit, and the next call resumes it",
  async (signal) => {
    const c = await openCliTest(2_400);
    c.clerk.setFault({ kind: "slow", ms: 700 });
    const stopped = c.start(["--json", "backfill"]);
    await waitUntil(async () => (await c.seen()) >= 500, 20_000);
    const askedAt = performance.now();
    stopped.signal(signal);
    const end = await stopped.ended;
    expect(performance.now() - askedAt).toBeLessThan(5_000);
    expect(end.code).toBeGreaterThan(0);
    expect(end.stderr).toContain("resumes the run");
    const run = lastLine(end);
    expect(run).toMatchObject({ status: "cancelled", error: null });
    expect(run.seen).toBeWithin(500, 2_400);
    c.clerk.setFault(undefined);
    const before = c.clerk.requestCount();
    const next = await c.start(["--json", "backfill"]).ended;
    expect(next.code).toBe(0);
    expect(figuresOf(lastLine(next))).toEqual({ status: "done", seen: 2_400, applied: 2_400 });
    // The pages that are left, the end, the count for the bar, and whose key it is: the instance and users in common.
    expect(c.clerk.requestCount() - before).toBeLessThanOrEqual(Math.ceil((2_400 - run.seen) / 500) + 4);
  },
  60_000,
);

test("after kill -9 the next call waits for the lease to end and resumes the run; nothing is missing or doubled", async () => {
  const c = await openCliTest(2_400);
  c.clerk.setFault({ kind: "slow", ms: 500 });
  const killed = c.start(["--json", "reconcile"]);
  await waitUntil(async () => (await c.seen()) >= 1_000, 20_000);
  killed.signal("SIGKILL");
  expect((await killed.ended).code).not.toBe(0);
  c.clerk.setFault(undefined);
  const end = await c.start(["--json", "reconcile"]).ended;
  expect(end.code).toBe(0);
  expect(figuresOf(lastLine(end))).toEqual({ status: "done", seen: 2_400, applied: 2_400, drift: 2_400 });
  expect(await c.db.sql`select from sync_runs`).toHaveLength(1);
  expect(await findDifferences(c.db.sql, c.clerk.directory, [])).toEqual([]);
}, 60_000);

test("while a run of the kind is running elsewhere, a second one exits non-zero, says so, and leaves the first alone", async () => {
  const c = await openCliTest(2_400);
  c.clerk.setFault({ kind: "slow", ms: 3_000 });
  const first = c.start(["backfill"]);
  await waitUntil(async () => (await c.db.sql`select from sync_runs`).length === 1, 20_000);
  const second = await c.start(["--json", "backfill"]).ended;
  expect(second.code).toBeGreaterThan(0);
  expect(second.stderr).toMatch(/^A backfill is already running: [0-9a-f-]{36}\.$/m);
  expect(JSON.parse(second.stdout)).toMatchObject({ error: { code: "conflict" } });
  c.clerk.setFault(undefined);
  expect((await first.ended).code).toBe(0);
}, 60_000);

test("a run that failed or was cancelled elsewhere exits non-zero with the reason in its result", async () => {
  const c = await openCliTest(600);
  c.clerk.setFault({ kind: "unauthorized" });
  const failed = await c.start(["--json", "reconcile"]).ended;
  expect(failed.code).toBeGreaterThan(0);
  expect(lastLine(failed)).toMatchObject({ status: "failed", error: "Clerk rejects CLERK_SECRET_KEY (status 401)." });
  c.clerk.setFault({ kind: "slow", ms: 4_000 });
  const cancelled = c.start(["--json", "backfill"]);
  await waitUntil(async () => (await c.db.sql`select from sync_runs where kind = 'backfill'`).length === 1, 20_000);
  await c.db.sql`update sync_runs set cancel_requested_at = now() where kind = 'backfill'`;
  const end = await cancelled.ended;
  expect(end.code).toBeGreaterThan(0);
  expect(lastLine(end).status).toBe("cancelled");
}, 60_000);

test("without CLERK_SECRET_KEY a backfill names that variable and exits non-zero", async () => {
  const c = await openCliTest(1);
  const { code, stderr } = await c.start(["backfill"], { CLERK_SECRET_KEY: "" }).ended;
  expect(code).toBeGreaterThan(0);
  expect(stderr).toContain("CLERK_SECRET_KEY");
});

test("on a terminal a progress bar is drawn; Ctrl-C stops the run and leaves the cursor visible", async () => {
  const c = await openCliTest(2_400);
  c.clerk.setFault({ kind: "slow", ms: 700 });
  let screen = "";
  const cli = Bun.spawn([process.execPath, "--no-install", "--no-env-file", "src/cli/main.ts", "backfill"], {
    cwd: join(import.meta.dir, "../.."),
    env: {
      PATH: process.env["PATH"] ?? "",
      DATABASE_URL: c.db.url,
      CLERK_SECRET_KEY: c.clerk.secretKey,
      CLERK_API_URL: c.clerk.apiUrl,
    },
    terminal: { cols: 120, rows: 30, data: (_terminal, bytes) => void (screen += Buffer.from(bytes).toString()) },
  });
  toClose.unshift(() => cli.kill("SIGKILL"));
  await waitUntil(() => Promise.resolve(/backfill \[=+-+\] \d+ of 2400 users, \d+ written/.test(screen)), 20_000);
  cli.terminal?.write("\u0003");
  expect(await cli.exited).toBe(1);
  expect(screen).toMatch(/status +cancelled/);
  expect(screen).toContain("the next `backfill` resumes the run");
  expect(screen.lastIndexOf("\u001b[?25h")).toBeGreaterThan(screen.lastIndexOf("\u001b[?25l"));
}, 60_000);
