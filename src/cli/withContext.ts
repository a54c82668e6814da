import { openParts, type SyncParts } from "../compose.ts";
import { parseConfig, type Environment } from "../config.ts";
import { logLevelSchema } from "../configSchema.ts";
import { createLog, type Log } from "../log.ts";

/** The log of a command. Writes to standard error, because standard output has the answer; default level: error. */
export function createCliLog(env: Environment): Promise<Log> {
  const asked = logLevelSchema.safeParse(env["LOG_LEVEL"]?.trim());
  // An unknown level is reported with the rest of the configuration.
  return createLog({
    level: asked.success ? asked.data : "error",
    format: process.stderr.isTTY ? "pretty" : "json",
    destination: 2,
  });
}

/**
 * Runs a command with the parts of the server over connections of its own, and closes them.
 * @throws ConfigError; AppError `precondition_failed` without DATABASE_URL
 */
export async function withContext<T>(env: Environment, work: (ctx: SyncParts) => Promise<T>): Promise<T> {
  const config = parseConfig(env);
  const parts = openParts(config, { log: await createCliLog(env) });
  try {
    return await work(parts);
  } finally {
    await parts.database.close();
  }
}
