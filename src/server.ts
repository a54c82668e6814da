import { createApp, openParts, startSchedule } from "./compose.ts";
import type { StartConfig } from "./config.ts";
import { combineObservers } from "./domain/observer.ts";
import type { Log } from "./log.ts";
import { startRehearsal } from "./service/startRehearsal.ts";
import { createServeOptions } from "./http/serveOptions.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { openTracing } from "./telemetry/tracing.ts";

/** While answers are under way, readiness probes still hear that the server drains. */
const lingerMs = 500;
/** In-flight deliveries are answered within their own 8 s; then the process goes, come what may. */
const shutdownMs = 8_500;
/** Nothing that is left then changes anything. */
const closeMs = 1_000;

export interface RunningServer {
  readonly port: number;
  /** Stops taking connections, answers what is in flight, closes the database; within 10 s. */
  readonly stop: () => Promise<void>;
}

/**
 * Config → database → services → app → serve. `main`, `dev` and `demo` run the same server.
 * @param options.droppedLogLines how many lines the log has lost so far, for the metrics
 */
export function startServer(
  config: StartConfig,
  log: Log,
  options: { droppedLogLines?: () => number } = {},
): RunningServer {
  const metrics = createMetrics(options);
  const endpoint = config.otelExporterOtlpEndpoint;
  const tracing = endpoint === undefined ? undefined : openTracing({ endpoint, log });
  const observer = combineObservers([metrics.observer, ...(tracing ? [tracing.observer] : [])]);
  const parts = openParts(config, { log, observer });
  let isDraining = false;
  const rehearsal = startRehearsal({ ...parts, defaultTurma: config.defaultTurma });
  const app = createApp({ ...parts, metrics, isDraining: () => isDraining, findRehearsal: rehearsal.findReport });
  const server = Bun.serve({
    port: config.port,
    hostname: config.host,
    ...createServeOptions({ app, log }),
  });
  const port = server.port ?? config.port;
  const schedule = startSchedule(parts);
  log.info({ port }, `[Server] Listening on http://${config.host}:${port}`);

  return {
    port,
    stop: async () => {
      isDraining = true;
      rehearsal.stop();
      // Its runs are let go while deliveries are still answered, so that another process goes on with them.
      const runsEnded = schedule.stop();
      const endsAtMs = Date.now() + shutdownMs;
      const lingersUntilMs = Date.now() + lingerMs;
      while (server.pendingRequests > 0 && Date.now() < lingersUntilMs) await Bun.sleep(10);
      const timer = setTimeout(() => void server.stop(true), endsAtMs - Date.now());
      // Takes no more connections, closes those that are idle, and waits for the answers.
      await server.stop();
      clearTimeout(timer);
      await Promise.race([runsEnded, Bun.sleep(Math.max(0, endsAtMs - Date.now()))]);
      await Promise.race([Promise.all([parts.database.close(), tracing?.close()]), Bun.sleep(closeMs)]);
      log.info("[Server] Stopped");
    },
  };
}
