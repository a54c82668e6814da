// The server with reload: `bun run dev`. Postgres and the simulated Clerk keep running while the server restarts.
import { join, relative } from "node:path";
import { AppError } from "../errors.ts";
import { ConfigError, parseConfig } from "../config.ts";
import { createLog } from "../log.ts";
import { migrateDatabase } from "../store/migration/migrate.ts";
import { bypassProxyOnLoopback } from "./bypassProxyOnLoopback.ts";
import { openDevParts, writeEnvFile, type DevParts } from "./devParts.ts";

/** Longer than the 10 s within which the server ends by itself. */
const serverEndsWithinMs = 11_000;
const root = join(import.meta.dir, "../..");
/** Tests set another folder than the developer's. */
const dataFolder = process.env["DEV_DATA_FOLDER"] || join(root, ".data");

bypassProxyOnLoopback(process.env);
const stopped = Promise.withResolvers<void>();
// SIGHUP too: a closed terminal must stop Postgres in order. A second signal changes nothing.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stopped.resolve());

let parts: DevParts | undefined;
let status = 1;
try {
  status = await run();
} catch (error) {
  const hasPublicText = error instanceof ConfigError || error instanceof AppError;
  console.error(hasPublicText ? error.message : error);
} finally {
  await parts?.close();
}
process.exit(status);

async function run(): Promise<number> {
  const config = parseConfig(process.env, { isTty: process.stdout.isTTY });
  const log = await createLog({ level: "warn", format: config.logFormat });
  if (!(await isPortFree(config.port))) {
    throw new AppError("conflict", `Port ${config.port} is taken; stop what listens there, or set PORT.`);
  }
  parts = await openDevParts({ config, env: process.env, dataFolder, log });
  for (const notice of parts.notices) console.log(`[Dev] ${notice}`);
  await migrateDatabase(parseConfig({ ...process.env, ...parts.env }), { log });
  const file = await writeEnvFile(dataFolder, parts.env);
  console.log("[Dev] The database is up to date");
  console.log(`[Dev] In another terminal: bun --env-file=${relative(process.cwd(), file)} run cli status`);
  return runServer({ ...process.env, ...parts.env, LOG_FORMAT: config.logFormat, DEV_PARENT_PID: String(process.pid) });
}

/** Runs the server until a signal, or until it ends by itself. Resolves with the exit status. */
async function runServer(env: Record<string, string | undefined>): Promise<number> {
  // `env` has the values of `.env` already.
  const command = [
    process.execPath,
    "--no-env-file",
    "--watch",
    "--no-clear-screen",
    join(import.meta.dir, "devServer.ts"),
  ];
  const child = Bun.spawn(command, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
  await Promise.race([stopped.promise, child.exited]);
  if (child.exitCode === null) {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), serverEndsWithinMs);
    await child.exited;
    clearTimeout(timer);
  }
  return child.exitCode ?? 1;
}

async function isPortFree(port: number): Promise<boolean> {
  try {
    await Bun.serve({ port, hostname: "127.0.0.1", fetch: () => new Response() }).stop(true);
    return true;
  } catch {
    // The port is in use, or this account may not listen on it.
    return false;
  }
}
