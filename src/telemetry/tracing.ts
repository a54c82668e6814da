import { setTimeout as sleep } from "node:timers/promises";
import type { Attributes } from "@opentelemetry/api";
import type { Span, SyncObserver } from "../domain/observer.ts";
import type { Log } from "../log.ts";
import { version } from "../version.ts";

/** An export that takes longer is abandoned, and its spans are lost; no delivery waits for it. */
const exportTimeoutMs = 3_000;
/** A few seconds of deliveries at full speed; while the collector is slow, further spans are dropped. */
const queueSpansMax = 8_192;
const exportSpansMax = 2_048;
/** Limit on the last export at shutdown. */
const closeMs = 1_000;

/** Exports spans of deliveries, batches and Clerk API calls. */
export interface Tracing {
  readonly observer: SyncObserver;
  /** Exports the buffered spans, within a second. */
  readonly close: () => Promise<void>;
}

/**
 * Exports spans to an OTLP collector, in batches and in the background. OpenTelemetry is imported here, while the server
 * already answers; until it is loaded nothing is traced.
 * @param options.endpoint the collector's base URL, without `/v1/traces`
 */
export function openTracing(options: { endpoint: string; log: Log }): Tracing {
  const { log } = options;
  let recorder: Recorder | undefined;
  const loading = openRecorder(options.endpoint).then(
    (opened) => {
      recorder = opened;
    },
    (error: unknown) => log.error({ err: error }, "[Tracing] OpenTelemetry cannot be loaded; nothing is traced"),
  );
  return {
    observer: {
      onDelivery: ({ status, outcome, code, ...span }) => {
        const result = outcome === null ? { "error.type": code ?? "unknown" } : { "clerk_sync.outcome": outcome };
        const attributes = { "http.response.status_code": status, ...result };
        recorder?.record({ name: "webhook delivery", kind: "SERVER", span, attributes, isError: status >= 500 });
      },
      onBatch: ({ items, isCommitted, ...span }) => {
        const attributes = { "clerk_sync.batch.changes": items };
        recorder?.record({ name: "batch commit", kind: "CLIENT", span, attributes, isError: !isCommitted });
      },
      onClerkCall: ({ route, status, ...span }) => {
        const attributes = {
          "url.template": route,
          ...(status === null ? {} : { "http.response.status_code": status }),
        };
        const isError = status === null || status >= 500;
        recorder?.record({ name: "Clerk API call", kind: "CLIENT", span, attributes, isError });
      },
    },
    close: async () => {
      await loading;
      // An unreachable collector must not fail the shutdown; one that hangs must not delay it.
      const sent = recorder?.shutdown().catch((err: unknown) => {
        log.warn({ err }, "[Tracing] The last spans could not be exported and are lost");
      });
      await Promise.race([sent, sleep(closeMs)]);
    },
  };
}

interface SpanRecord {
  readonly name: string;
  readonly kind: "SERVER" | "CLIENT";
  readonly span: Span;
  readonly attributes: Attributes;
  readonly isError: boolean;
}

interface Recorder {
  readonly record: (span: SpanRecord) => void;
  readonly shutdown: () => Promise<void>;
}

async function openRecorder(endpoint: string): Promise<Recorder> {
  const [{ SpanKind, SpanStatusCode }, { OTLPTraceExporter }, { defaultResource, resourceFromAttributes }, sdk] =
    await Promise.all([
      import("@opentelemetry/api"),
      import("@opentelemetry/exporter-trace-otlp-http"),
      import("@opentelemetry/resources"),
      import("@opentelemetry/sdk-trace-base"),
    ]);
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, "")}/v1/traces`,
    timeoutMillis: exportTimeoutMs,
  });
  const processor = new sdk.BatchSpanProcessor(exporter, {
    maxQueueSize: queueSpansMax,
    maxExportBatchSize: exportSpansMax,
    exportTimeoutMillis: exportTimeoutMs,
  });
  const provider = new sdk.BasicTracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({ "service.name": "clerk-neon-sync", "service.version": version }),
    ),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer("clerk-neon-sync");
  return {
    record: ({ name, kind, span: { startedAtMs, ms }, attributes, isError }) => {
      const recorded = tracer.startSpan(name, { kind: SpanKind[kind], attributes, startTime: startedAtMs, root: true });
      if (isError) recorded.setStatus({ code: SpanStatusCode.ERROR });
      recorded.end(startedAtMs + ms);
    },
    shutdown: () => provider.shutdown(),
  };
}
