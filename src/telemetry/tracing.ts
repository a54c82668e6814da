import { SpanKind, SpanStatusCode, type Attributes } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import type { Span, SyncObserver } from "../domain/observer.ts";
import type { Log } from "../log.ts";

/** A collector that takes longer is given up for that batch; nobody waits for it. */
const exportTimeoutMs = 3_000;
/** Some seconds of deliveries at full speed; what comes beyond while the collector is slow is dropped. */
const queueSpansMax = 8_192;
const exportSpansMax = 2_048;
/** The last spans are worth a moment of the shutdown, and no more. */
const closeMs = 1_000;

/** Spans of deliveries, batches and calls of Clerk on their way to a collector. */
export interface Tracing {
  readonly observer: SyncObserver;
  /** Sends what is still here; gives up after a second. */
  readonly close: () => Promise<void>;
}

/**
 * Sends spans to an OTLP collector, in batches and in the background. This module alone knows OpenTelemetry: import it
 * dynamically, when there is a collector.
 * @param options.endpoint its base address; spans go to `/v1/traces` there
 */
export function openTracing(options: { endpoint: string; log: Log }): Tracing {
  const exporter = new OTLPTraceExporter({
    url: `${options.endpoint.replace(/\/+$/, "")}/v1/traces`,
    timeoutMillis: exportTimeoutMs,
  });
  const processor = new BatchSpanProcessor(exporter, {
    maxQueueSize: queueSpansMax,
    maxExportBatchSize: exportSpansMax,
    exportTimeoutMillis: exportTimeoutMs,
  });
  const provider = new BasicTracerProvider({
    resource: defaultResource().merge(resourceFromAttributes({ "service.name": "clerk-neon-sync" })),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer("clerk-neon-sync");

  function record(name: string, kind: SpanKind, span: Span, attributes: Attributes, isError: boolean): void {
    const { startedAtMs, ms } = span;
    const recorded = tracer.startSpan(name, { kind, attributes, startTime: startedAtMs, root: true });
    if (isError) recorded.setStatus({ code: SpanStatusCode.ERROR });
    recorded.end(startedAtMs + ms);
  }

  return {
    observer: {
      onDelivery: ({ status, outcome, code, ...span }) => {
        const result = outcome === null ? { "error.type": code ?? "unknown" } : { "clerk_sync.outcome": outcome };
        const attributes = { "http.response.status_code": status, ...result };
        record("webhook delivery", SpanKind.SERVER, span, attributes, status >= 500);
      },
      onBatch: ({ items, isCommitted, ...span }) => {
        record("batch commit", SpanKind.CLIENT, span, { "clerk_sync.batch.changes": items }, !isCommitted);
      },
      onClerkCall: ({ route, status, ...span }) => {
        const attributes = {
          "url.template": route,
          ...(status === null ? {} : { "http.response.status_code": status }),
        };
        record("Clerk API call", SpanKind.CLIENT, span, attributes, status === null || status >= 500);
      },
    },
    close: async () => {
      // A collector that is away is no reason to fail, one that hangs none to wait.
      const sent = provider.shutdown().catch((err: unknown) => {
        options.log.warn({ err }, "[Tracing] The last spans could not be sent");
      });
      await Promise.race([sent, Bun.sleep(closeMs)]);
    },
  };
}
