// The single-file build (`bun run build`): without arguments the server, with them the command line. `healthcheck` is for
// containers that hold nothing but this file.
import { parseConfig } from "./config.ts";

const [command = "start"] = process.argv.slice(2);
if (command === "start") await import("./main.ts");
else if (command === "healthcheck") process.exit(await checkHealth(parseConfig(process.env).port));
else await import("./cli/main.ts");

/** The exit status a container's health check expects. */
async function checkHealth(port: number): Promise<0 | 1> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2_000) })).ok ? 0 : 1;
  } catch {
    // No answer means unhealthy.
    return 1;
  }
}
