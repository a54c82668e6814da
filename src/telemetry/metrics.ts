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

/** Seconds. A delivery takes a few milliseconds next to its database, and is given up after 8 s. */
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Seconds. From live traffic to what Svix repeats for hours. */
const lagBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 36_000];
/** Changes in one batch, up to the most there can be. */
const batchBuckets = [1, 2, 5, 10, 20, 50, 100, 200, 500];

/** What is asked at a scrape; none of it may touch the database, or Neon never sleeps. */
export interface MetricSources {
  readonly queueItems: () => number;
  readonly breakerState: () => "closed" | "half-open" | "open";
  readonly connectionAttempts: () => number;
  readonly alarms: () => readonly Alarm[];
}

export interface Metrics {
  readonly observer: SyncObserver;
  /** Tells where the gauges are read; the newest sources win. */
  readonly watch: (sources: MetricSources) => void;
  /** The text of Prometheus' exposition format 0.0.4, and its content type. */
  readonly read: () => Promise<{ text: string; contentType: string }>;
}

/**
 * The metrics of one app, in a registry of its own: several apps may live in one process.
 * @param options.droppedLogLines how many lines the log has lost so far
 */
export function createMetrics(options: { clock?: Clock; droppedLogLines?: () => number } = {}): Metrics {
  const { clock = systemClock, droppedLogLines = () => 0 } = options;
  const registry = new Registry();
  let collectsDefaults: Promise<void> | undefined;
  let sources: MetricSources | undefined;
  createGauges(registry, () => sources);
  createAlarmGauge(registry, () => sources);
  countWhenRead(registry, "log_lines_dropped_total", "Log lines that found no room.", droppedLogLines);
  new Gauge({
    name: "clerk_sync_build_info",
    help: "Always 1; its label is the version of the program.",
    labelNames: ["version"],
    registers: [registry],
  }).set({ version }, 1);
  return {
    observer: createObserver(registry, clock),
    watch: (newest) => {
      sources = newest;
    },
    read: async () => {
      // They watch the event loop and the collector, which only a scrape should pay for.
      collectsDefaults ??= collectDefaults(registry);
      await collectsDefaults;
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
  };
}

/** Loaded here alone: a server's first answer need not wait for it. */
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
  const verificationFailures = counter("verification_failures_total", "Deliveries refused before they were believed.", [
    "code",
  ]);
  const answer = histogram("answer_seconds", "From a delivery's arrival to its answer.", durationBuckets);
  const lag = histogram("lag_seconds", "From Clerk's timestamp to the commit here.", lagBuckets);
  const batchItems = histogram("batch_changes", "Changes committed together.", batchBuckets);
  const commit = histogram("commit_seconds", "One batch, there and back.", durationBuckets, ["result"]);
  const clerkCalls = counter("clerk_api_requests_total", "Requests to Clerk's Backend API.", ["route", "status"]);
  const clerkSeconds = histogram("clerk_api_seconds", "One request to Clerk's Backend API.", durationBuckets);
  const runs = counter("runs_total", "Backfills and reconciles this process took up (running), and how they ended.", [
    "kind",
    "status",
  ]);
  // A counter whose first sample is a 1 shows Prometheus no increase: what alerts count is there from the start, at 0.
  for (const [outcome, status] of failedAnswers) deliveries.inc({ outcome, status }, 0);
  for (const code of unverifiedCodes) verificationFailures.inc({ code }, 0);
  for (const kind of ["backfill", "reconcile"]) runs.inc({ kind, status: "failed" }, 0);
  let lastWebhookMs = clock.monotonicMs();
  registry.registerMetric(
    new Gauge({
      name: "clerk_sync_webhook_silence_seconds",
      help: "Since the last verified delivery to this process, or since its start.",
      registers: [],
      collect() {
        this.set((clock.monotonicMs() - lastWebhookMs) / 1000);
      },
    }),
  );

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

/** What a verified delivery is answered that changed nothing here, with its HTTP status. */
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
  const gauge = (name: string, help: string, read: () => number) =>
    registry.registerMetric(
      new Gauge({
        name: `clerk_sync_${name}`,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  gauge("queue_changes", "Changes waiting for a batch.", () => findSources()?.queueItems() ?? 0);
  gauge(
    "breaker_open",
    "1 while calls to the database fail at once, 0.5 while one is let through to see, 0 in order.",
    () => ({ closed: 0, "half-open": 0.5, open: 1 })[findSources()?.breakerState() ?? "closed"],
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
      help: "1 while there is an alarm of the code, by what this process last knew.",
      labelNames: ["code"],
      registers: [],
      collect() {
        const alarms = findSources()?.alarms() ?? [];
        for (const code of alarmCodes) this.set({ code }, alarms.some((alarm) => alarm.code === code) ? 1 : 0);
      },
    }),
  );
}

/** A counter that is kept elsewhere. */
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
