import { createApp, startSchedule } from "./compose.ts";
import type { StartConfig } from "./config.ts";
import { createServeOptions } from "./http/serveOptions.ts";
import type { Log } from "./log.ts";
import { openProgram } from "./program.ts";
import { startRehearsal } from "./service/startRehearsal.ts";

/** During shutdown, connections are accepted for this long while requests are pending, so that `/readyz` says `draining`. */
const drainProbeMs = 500;
/** Deliveries in flight are answered within their own 8 s; then connections are closed. */
const shutdownMs = 8_500;
/** Delay of the rehearsal: it needs the processor and the writer's lock, and would delay the first deliveries. */
const rehearseAfterMs = 1_000;

/** A server that listens. */
export interface RunningServer {
  readonly port: number;
  /** Stops taking connections, answers what is in flight, closes the database; within 10 s. */
  readonly stop: () => Promise<void>;
}

/**
 * The program behind a listening socket, with timers. `main`, `dev` and `demo` run the same server.
 * @param options.droppedLogLines how many lines the log has lost so far, for the metrics
 */
export function startServer(
  config: StartConfig,
  log: Log,
  options: { droppedLogLines?: () => number } = {},
): RunningServer {
  const program = openProgram(config, log, options);
  let isDraining = false;
  const rehearsal = startRehearsal({ ...program, afterMs: rehearseAfterMs, defaultTurma: config.defaultTurma });
  const app = createApp({ ...program, isDraining: () => isDraining, findRehearsal: rehearsal.findReport });
  const server = Bun.serve({
    port: config.port,
    hostname: config.host,
    ...createServeOptions({ app, log }),
  });
  const port = server.port ?? config.port;
  const schedule = startSchedule(program);
  log.info({ port }, `[Server] Listening on http://${config.host}:${port}`);

  return {
    port,
    stop: async () => {
      isDraining = true;
      rehearsal.stop();
      // Releases this process's runs, so that another one resumes them, while deliveries are still answered.
      const runsEnded = schedule.stop();
      const endsAtMs = Date.now() + shutdownMs;
      const probesUntilMs = Date.now() + drainProbeMs;
      while (server.pendingRequests > 0 && Date.now() < probesUntilMs) await Bun.sleep(10);
      const timer = setTimeout(() => void server.stop(true), endsAtMs - Date.now());
      // Takes no more connections, closes those that are idle, and waits for the answers.
      await server.stop();
      clearTimeout(timer);
      await Promise.race([runsEnded, Bun.sleep(Math.max(0, endsAtMs - Date.now()))]);
      await program.close();
      log.info("[Server] Stopped");
    },
  };
}
