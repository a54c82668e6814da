import { setTimeout as sleep } from "node:timers/promises";
import { openParts, type SyncParts } from "./compose.ts";
import type { StartConfig } from "./config.ts";
import { combineObservers } from "./domain/observer.ts";
import type { Log } from "./log.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { openTracing } from "./telemetry/tracing.ts";

/** Longest wait for connections and spans to close; no data depends on it. */
const closeMs = 1_000;

/** What server and Neon Function share: all parts but the listening socket and the timers. */
export interface Program extends SyncParts {
  readonly metrics: Metrics;
  /** Ends every connection and sends the last spans; within a second. */
  readonly close: () => Promise<void>;
}

/**
 * Config → database → services, watched by metrics and, where configured, traces. Connects to nothing yet.
 * @param options.droppedLogLines how many lines the log has lost so far, for the metrics
 */
export function openProgram(config: StartConfig, log: Log, options: { droppedLogLines?: () => number }): Program {
  const metrics = createMetrics(options);
  const endpoint = config.otelExporterOtlpEndpoint;
  const tracing = endpoint === undefined ? undefined : openTracing({ endpoint, log });
  const observer = combineObservers([metrics.observer, ...(tracing ? [tracing.observer] : [])]);
  const parts = openParts(config, { log, observer });
  return {
    ...parts,
    metrics,
    close: async () => {
      const closed = Promise.all([parts.database.close(), tracing?.close()]);
      await Promise.race([closed, sleep(closeMs)]);
    },
  };
}
