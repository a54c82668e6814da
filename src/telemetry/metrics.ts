// oxlint-disable-next-line typescript/triple-slash-reference -- else programs that use this one as a library lack it
/// <reference path="./promClientParts.d.ts" />
import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Histogram from "prom-client/lib/histogram.js";
import Registry from "prom-client/lib/registry.js";
import { systemClock, type Clock } from "../clock.ts";
import { alarmCodes, type Alarm } from "../domain/alarm.ts";
import type { SyncObserver } from "../domain/observer.ts";
import { version } from "../version.ts";

/** Seconds. A delivery takes a few milliseconds near its database; its deadline is 8 s. */
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Seconds. From live traffic to deliveries that Svix has retried for hours. */
const lagBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 36_000];
/** Changes in one batch, up to its maximum of 500. */
const batchBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/** Values read at each scrape, from memory only: a scrape that used the database would keep Neon awake. */
export interface MetricSources {
  readonly queueItems: () => number;
  readonly breakerState: () => "closed" | "half-open" | "open";
  readonly connectionAttempts: () => number;
  readonly alarms: () => readonly Alarm[];
}

/** The metrics of one app. */
export interface Metrics {
  readonly observer: SyncObserver;
  /** Sets where the gauges are read; a later call replaces an earlier one. */
  readonly watch: (sources: MetricSources) => void;
  /** Text in Prometheus' exposition format 0.0.4, and its content type. */
  readonly read: () => Promise<{ text: string; contentType: string }>;
}

/**
 * Each app has its own registry, because a process may hold several apps.
 * @param options.droppedLogLines number of log lines dropped so far
 */
export function createMetrics(options: { clock?: Clock; droppedLogLines?: () => number } = {}): Metrics {
  const { clock = systemClock, droppedLogLines = () => 0 } = options;
  const registry = new Registry();
  let collectsDefaults: Promise<void> | undefined;
  let sources: MetricSources | undefined;
  createGauges(registry, () => sources);
  createAlarmGauge(registry, () => sources);
  countWhenRead(registry, "log_lines_dropped_total", "Log lines dropped: output full or not read.", droppedLogLines);
  new Gauge({
    name: "clerk_sync_build_info",
    help: "Always 1; the label is the version of the program.",
    labelNames: ["version"],
    registers: [registry],
  }).set({ version }, 1);
  return {
    observer: createObserver(registry, clock),
    watch: (newest) => {
      sources = newest;
    },
    read: async () => {
      // Collected from the first scrape on, because they instrument event loop and garbage collector, which has a cost.
      collectsDefaults ??= collectDefaults(registry);
      await collectsDefaults;
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
  };
}

/** Imported late, so that the server's first answer does not wait for it. */
async function collectDefaults(registry: Registry): Promise<void> {
  const { collectDefaultMetrics } = await import("prom-client");
  collectDefaultMetrics({ register: registry });
}

function createObserver(registry: Registry, clock: Clock): SyncObserver {
  const registers = [registry];
  const histogram = (name: string, help: string, buckets: number[], labelNames: string[] = []) =>
    new Histogram({ name: `clerk_sync_${name}`, help, buckets, labelNames, registers });
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `clerk_sync_${name}`, help, labelNames, registers });

  const deliveries = counter("deliveries_total", "Webhook answers by outcome (or error code) and HTTP status.", [
    "outcome",
    "status",
  ]);
  const verificationFailures = counter(
    "verification_failures_total",
    "Deliveries with an invalid signature or timestamp.",
    ["code"],
  );
  const answer = histogram("answer_seconds", "From a delivery's arrival to its answer.", durationBuckets);
  const lag = histogram("lag_seconds", "From Clerk's timestamp to the commit.", lagBuckets);
  const batchItems = histogram("batch_changes", "Changes per batch.", batchBuckets);
  const commit = histogram("commit_seconds", "Commit of one batch, round trip included.", durationBuckets, ["result"]);
  const clerkCalls = counter("clerk_api_requests_total", "Requests to Clerk's Backend API.", ["route", "status"]);
  const clerkSeconds = histogram("clerk_api_seconds", "Requests to Clerk's Backend API.", durationBuckets);
  const runs = counter("runs_total", "Backfills and reconciles: started here (running), and final status.", [
    "kind",
    "status",
  ]);
  // Prometheus sees no increase in a counter whose first sample is 1: counters with alerts start at 0.
  for (const [outcome, status] of failedAnswers) deliveries.inc({ outcome, status }, 0);
  for (const code of unverifiedCodes) verificationFailures.inc({ code }, 0);
  for (const kind of ["backfill", "reconcile"]) runs.inc({ kind, status: "failed" }, 0);
  let lastWebhookMs = clock.monotonicMs();
  const silenceHelp = "Since the last verified delivery to this process, or since its start.";
  setWhenRead(registry, "webhook_silence_seconds", silenceHelp, () => (clock.monotonicMs() - lastWebhookMs) / 1000);

  return {
    onDelivery: ({ status, outcome, code, ms, lagMs }) => {
      deliveries.inc({ outcome: outcome ?? code ?? "unknown", status });
      answer.observe(ms / 1000);
      if (lagMs !== null) lag.observe(lagMs / 1000);
      if (code !== null && unverifiedCodes.has(code)) verificationFailures.inc({ code });
      else if (outcome !== null || failedAnswers.has(code ?? "")) lastWebhookMs = clock.monotonicMs();
    },
    onBatch: ({ items, isCommitted, ms }) => {
      batchItems.observe(items);
      commit.observe({ result: isCommitted ? "committed" : "failed" }, ms / 1000);
    },
    onClerkCall: ({ route, status, ms }) => {
      clerkCalls.inc({ route, status: status ?? "none" });
      clerkSeconds.observe(ms / 1000);
    },
    onRun: (run) => runs.inc({ ...run }),
  };
}

/** Error codes of verified deliveries, with their HTTP status. */
const failedAnswers: ReadonlyMap<string, number> = new Map([
  ["invalid_event", 422],
  ["refused", 503],
  ["unavailable", 503],
]);

const unverifiedCodes: ReadonlySet<string> = new Set([
  "missing_headers",
  "invalid_signature",
  "timestamp_out_of_tolerance",
]);

function createGauges(registry: Registry, findSources: () => MetricSources | undefined): void {
  const states = { closed: 0, "half-open": 0.5, open: 1 };
  setWhenRead(registry, "queue_changes", "Changes in the queue.", () => findSources()?.queueItems() ?? 0);
  setWhenRead(
    registry,
    "breaker_open",
    "Circuit breaker of the database: 1 open, 0.5 half-open, 0 closed.",
    () => states[findSources()?.breakerState() ?? "closed"],
  );
  countWhenRead(
    registry,
    "connection_attempts_total",
    "Attempts to connect to the database.",
    () => findSources()?.connectionAttempts() ?? 0,
  );
}

function createAlarmGauge(registry: Registry, findSources: () => MetricSources | undefined): void {
  registry.registerMetric(
    new Gauge({
      name: "clerk_sync_alarm",
      help: "1 while the alarm is raised, by the figures that this process last read.",
      labelNames: ["code"],
      registers: [],
      collect() {
        const alarms = findSources()?.alarms() ?? [];
        for (const code of alarmCodes) this.set({ code }, alarms.some((alarm) => alarm.code === code) ? 1 : 0);
      },
    }),
  );
}

/** A gauge whose value is computed at each scrape. */
function setWhenRead(registry: Registry, name: string, help: string, read: () => number): void {
  const gauge = new Gauge({
    name: `clerk_sync_${name}`,
    help,
    registers: [],
    collect() {
      gauge.set(read());
    },
  });
  registry.registerMetric(gauge);
}

/** A counter whose value is kept elsewhere and read at each scrape. */
function countWhenRead(registry: Registry, name: string, help: string, read: () => number): void {
  const counter = new Counter({
    name: `clerk_sync_${name}`,
    help,
    registers: [],
    collect() {
      counter.reset();
      counter.inc(read());
    },
  });
  registry.registerMetric(counter);
}
