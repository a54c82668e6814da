import { openParts, type SyncParts } from "../compose.ts";
import { parseConfig, type Environment } from "../config.ts";
import { logLevelSchema } from "../configSchema.ts";
import { createLog, type Log } from "../log.ts";

/** Logs go to standard error: standard output is the command's answer. Quiet unless asked, for the answer says it all. */
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
 * What a command works with: the same parts as the server's, over connections of its own.
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
