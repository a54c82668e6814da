import manifest from "../../package.json" with { type: "json" };
import { expect, test } from "bun:test";
import { join } from "node:path";
import { createClerkApi } from "../../src/clerk/createClerkApi.ts";
import { silentLog } from "../../src/log.ts";
import { createServices } from "../../src/compose.ts";
import { parseConfig } from "../../src/config.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { clerkUser, startMs, userEvent } from "../support/events.ts";
import { createTestClock } from "../support/testClock.ts";
import { createFixedClerk, openTestApp, testAdminToken } from "../support/testApp.ts";
import { openForFile, openForTest } from "../support/toClose.ts";

const metrics = createMetrics();
const t = openForFile(() => openTestApp({ app: { metrics, observer: metrics.observer } }));

/** What the README documents, without the process's own. */
const documented = [
  "clerk_sync_alarm",
  "clerk_sync_answer_seconds",
  "clerk_sync_batch_changes",
  "clerk_sync_breaker_open",
  "clerk_sync_build_info",
  "clerk_sync_clerk_api_requests_total",
  "clerk_sync_clerk_api_seconds",
  "clerk_sync_commit_seconds",
  "clerk_sync_connection_attempts_total",
  "clerk_sync_deliveries_total",
  "clerk_sync_lag_seconds",
  "clerk_sync_log_lines_dropped_total",
  "clerk_sync_queue_changes",
  "clerk_sync_runs_total",
  "clerk_sync_verification_failures_total",
  "clerk_sync_webhook_silence_seconds",
];

async function read(app = t): Promise<string> {
  const res = await app.app.request("/metrics", { headers: { authorization: `Bearer ${testAdminToken}` } });
  expect(res.status).toBe(200);
  return res.text();
}

/** The value of a series written as Prometheus shows it, or null. */
function valueOf(text: string, series: string): number | null {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
}

test("/metrics needs the admin token: 401 in JSON without, with a wrong one, and with one in the address", async () => {
  for (const authorization of [undefined, "Bearer wrong", `Basic ${testAdminToken}`, `Bearer ${testAdminToken}x`]) {
    const headers = authorization === undefined ? undefined : { authorization };
    const res = await t.app.request(`/metrics?token=${testAdminToken}`, headers ? { headers } : {});
    expect([res.status, await res.json()]).toEqual([
      401,
      { error: { code: "unauthorized", message: "The admin token is needed." } },
    ]);
  }
});

test("/metrics has exactly the documented names, each with a type and a help text", async () => {
  const res = await t.app.request("/metrics", { headers: { authorization: `Bearer ${testAdminToken}` } });
  expect(res.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
  const text = await res.text();
  const typed = text.match(/(?<=^# TYPE )clerk_sync_\w+/gm) ?? [];
  expect([...typed].sort()).toEqual(documented);
  expect(text).toContain(`clerk_sync_build_info{version="${manifest.version}"} 1\n`);
  for (const name of documented) expect(text).toMatch(new RegExp(`^# HELP ${name} \\S`, "m"));
  for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "nodejs_eventloop_lag_seconds"]) {
    expect(typed.length > 0 && text.includes(`# TYPE ${name} `)).toBe(true);
  }
  const readme = await Bun.file(join(import.meta.dir, "../../.github/OPERATIONS.md")).text();
  for (const name of readme.match(/clerk_sync_\w+/g) ?? []) expect(documented).toContain(name);
});

test("deliveries are counted by outcome and status, refusals by code, batches by size and time", async () => {
  const before = await read();
  const applied = userEvent(clerkUser("user_Counted", { updated_at: Date.now() - 5_000 }));
  await t.deliver(applied, { svixId: "msg_counted" });
  await t.deliver(applied, { svixId: "msg_counted" });
  await t.deliver("nope");
  await t.deliver(applied, { headers: { "svix-signature": "v1,bm90" } });
  await t.deliver(applied, { at: new Date(startMs) });
  const after = await read();
  const grown = (series: string) => (valueOf(after, series) ?? 0) - (valueOf(before, series) ?? 0);
  expect(grown('clerk_sync_deliveries_total{outcome="applied",status="200"}')).toBe(1);
  expect(grown('clerk_sync_deliveries_total{outcome="duplicate",status="200"}')).toBe(1);
  expect(grown('clerk_sync_deliveries_total{outcome="invalid_event",status="422"}')).toBe(1);
  expect(grown('clerk_sync_deliveries_total{outcome="invalid_signature",status="400"}')).toBe(1);
  expect(grown('clerk_sync_verification_failures_total{code="invalid_signature"}')).toBe(1);
  expect(grown('clerk_sync_verification_failures_total{code="timestamp_out_of_tolerance"}')).toBe(1);
  expect(grown("clerk_sync_answer_seconds_count")).toBe(5);
  expect(grown("clerk_sync_batch_changes_count")).toBe(3);
  expect(grown("clerk_sync_batch_changes_sum")).toBe(3);
  expect(grown('clerk_sync_commit_seconds_count{result="committed"}')).toBe(3);
  expect(grown("clerk_sync_lag_seconds_count")).toBe(1);
  expect(grown("clerk_sync_lag_seconds_sum")).toBeWithin(4, 15);
  expect(valueOf(after, "clerk_sync_webhook_silence_seconds")).toBeLessThan(5);
  expect(valueOf(after, "clerk_sync_connection_attempts_total")).toBe(t.database.connectionAttempts());
  expect(valueOf(after, "clerk_sync_breaker_open")).toBe(0);
  expect(valueOf(after, "clerk_sync_queue_changes")).toBe(0);
});

test("the silence grows until a verified delivery; an unverified one does not end it", async () => {
  const clock = createTestClock();
  const own = createMetrics({ clock });
  const silent = await openForTest(openTestApp({ app: { metrics: own, observer: own.observer } }));
  await clock.advance(300_000);
  await silent.deliver("nope", { headers: { "svix-signature": "v1,bm90" } });
  expect(valueOf(await read(silent), "clerk_sync_webhook_silence_seconds")).toBe(300);
  await silent.deliver(userEvent(clerkUser("user_Noise")));
  expect(valueOf(await read(silent), "clerk_sync_webhook_silence_seconds")).toBe(0);
});

test("a verified delivery that a rule of the database refuses ends the silence: the endpoint works", async () => {
  const clock = createTestClock();
  const own = createMetrics({ clock });
  await clock.advance(300_000);
  const refused = { status: 503, outcome: null, code: "refused", lagMs: null, startedAtMs: 0, ms: 5 };
  own.observer.onDelivery?.(refused);
  expect(valueOf((await own.read()).text, "clerk_sync_webhook_silence_seconds")).toBe(0);
});

test("an unreachable database shows as an open breaker and failed batches, and a scrape sends no query", async () => {
  const own = createMetrics();
  const databaseUrl = () => "postgresql://u:p@127.0.0.1:9/nowhere";
  const away = await openForTest(openTestApp({ app: { metrics: own, observer: own.observer }, databaseUrl }));
  let deliveries = 0;
  // Failures of a single moment are no outage, so it takes a few.
  while (away.database.state() !== "open" && deliveries < 100) {
    await away.deliver(userEvent(clerkUser(`user_Away${deliveries}`)));
    deliveries += 1;
  }
  const attempts = away.database.connectionAttempts();
  const text = await read(away);
  expect(valueOf(text, "clerk_sync_breaker_open")).toBe(1);
  expect(valueOf(text, 'clerk_sync_commit_seconds_count{result="failed"}')).toBeGreaterThan(0);
  expect(valueOf(text, 'clerk_sync_deliveries_total{outcome="unavailable",status="503"}')).toBe(deliveries);
  expect(away.database.connectionAttempts()).toBe(attempts);
});

test("requests to Clerk are counted by route, never by user, and by status", async () => {
  const own = createMetrics();
  const clerk = createClerkApi({
    secretKey: "sk_test_x",
    apiUrl: "http://clerk.test",
    log: silentLog,
    observer: own.observer,
    fetch: (url) =>
      url.includes("user_Known")
        ? Promise.resolve(Response.json(clerkUser("user_Known")))
        : Promise.resolve(Response.json({ errors: [{ code: "resource_not_found" }] }, { status: 404 })),
  });
  const services = createServices({ config: parseConfig({}), database: t.database, clerk });
  await services.users.resync({ clerkId: "user_Known" });
  const unknown = services.users.resync({ clerkId: "user_Unknown" });
  expect(await unknown.catch((error: unknown) => error)).toMatchObject({ code: "not_found" });
  const { text } = await own.read();
  expect(valueOf(text, 'clerk_sync_clerk_api_requests_total{route="/v1/users/:id",status="200"}')).toBe(1);
  expect(valueOf(text, 'clerk_sync_clerk_api_requests_total{route="/v1/users/:id",status="404"}')).toBe(1);
  expect(text).not.toMatch(/user_(?:Kn|Unkn)own/);
});

test("runs are counted at their start, and by status at their end", async () => {
  const own = createMetrics();
  const services = createServices({
    config: parseConfig({ CLERK_INSTANCE_ID: "ins_1" }),
    database: t.database,
    clerk: createFixedClerk([clerkUser("user_Run")]),
    observer: own.observer,
  });
  const { runId } = await services.runs.start({ kind: "backfill" });
  await services.runs.waitFor(runId);
  const { text } = await own.read();
  expect(valueOf(text, 'clerk_sync_runs_total{kind="backfill",status="running"}')).toBe(1);
  expect(valueOf(text, 'clerk_sync_runs_total{kind="backfill",status="done"}')).toBe(1);
  await services.runs.close();
});

test("dropped log lines are counted", async () => {
  let dropped = 0;
  const own = createMetrics({ droppedLogLines: () => dropped });
  expect(valueOf((await own.read()).text, "clerk_sync_log_lines_dropped_total")).toBe(0);
  dropped = 7;
  expect(valueOf((await own.read()).text, "clerk_sync_log_lines_dropped_total")).toBe(7);
});

test("two apps in one process count separately", async () => {
  const other = await openForTest(openTestApp());
  await other.deliver(userEvent(clerkUser("user_Elsewhere")));
  expect(valueOf(await read(other), 'clerk_sync_deliveries_total{outcome="applied",status="200"}')).toBe(1);
});
