import { createClerkApi } from "../clerk/createClerkApi.ts";
import type { ClerkApi } from "../clerk/clerkApi.ts";
import { AppError } from "../errors.ts";
import { logLevelSchema, parseConfig, type Config } from "../config.ts";
import { createLog, type Log } from "../log.ts";
import { createServices, type Services } from "../service/services.ts";
import { openDatabase, type Database } from "../store/connection/database.ts";

/** What a command works with; the same services as the server's, over a connection of its own. */
export interface CliContext {
  readonly config: Config;
  readonly log: Log;
  readonly database: Database;
  readonly clerk: ClerkApi;
  readonly services: Services;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Logs go to standard error: standard output is the command's answer. Quiet unless asked, for the answer says it all. */
export function createCliLog(env: Environment): Promise<Log> {
  const asked = logLevelSchema.safeParse(env["LOG_LEVEL"]?.trim());
  // A level that is none is for whoever reads the whole configuration to say.
  return createLog({
    level: asked.success ? asked.data : "error",
    format: process.stderr.isTTY ? "pretty" : "json",
    destination: 2,
  });
}

/** @throws ConfigError; AppError `precondition_failed` without DATABASE_URL */
export async function withContext<T>(env: Environment, work: (ctx: CliContext) => Promise<T>): Promise<T> {
  const config = parseConfig(env);
  const log = await createCliLog(env);
  const database = openDatabase({
    url: requireUrl(config.databaseUrl, "DATABASE_URL"),
    poolMax: config.databasePoolMax,
    log,
  });
  try {
    const clerk = createClerkApi({ secretKey: config.clerkSecretKey, apiUrl: config.clerkApiUrl, log });
    const services = createServices({
      database,
      clerk,
      log,
      defaultTurma: config.defaultTurma,
      clerkInstanceId: config.clerkInstanceId,
    });
    return await work({ config, log, database, clerk, services });
  } finally {
    await database.close();
  }
}

export function requireUrl(url: string | undefined, name: string): string {
  if (url === undefined) throw new AppError("precondition_failed", `${name} is missing.`);
  return url;
}
