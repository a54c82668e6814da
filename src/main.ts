import { ConfigError, parseConfig, type StartConfig } from "./config.ts";
import { createServerLog } from "./log.ts";
import { startServer, type RunningServer } from "./server.ts";
import { onStopSignal } from "./onStopSignal.ts";

function readConfig(): StartConfig {
  try {
    return parseConfig(process.env, { mode: "start", isTty: process.stdout.isTTY });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

const config = readConfig();
const { log, droppedLines, flush } = await createServerLog({ level: config.logLevel, format: config.logFormat });
const server = start();

function start(): RunningServer {
  try {
    return startServer(config, log, { droppedLogLines: droppedLines });
  } catch (error) {
    // Bun reports a port in use and an address of another machine with the same code.
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    console.error("The server cannot listen: the PORT is taken, or HOST is no address of this machine.");
    process.exit(1);
  }
}

onStopSignal((signal) => {
  log.info({ signal }, "[Server] Stopping; deliveries in flight are answered first");
  server.stop().then(
    () => flush(() => process.exit(0)),
    (error: unknown) => {
      log.error({ err: error }, "[Server] Stopping failed; the process exits with 1");
      flush(() => process.exit(1));
    },
  );
});
