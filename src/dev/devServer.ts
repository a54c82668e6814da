// The server of `dev`: migrates at each restart, and ends when `dev` has ended.
import { parseConfig } from "../config.ts";
import { createLog } from "../log.ts";
import { migrateDatabase } from "../store/migration/migrate.ts";

/** A parent that is killed sends no signal; its children then have another parent. */
const orphanCheckEveryMs = 500;
const parentPid = Number(process.env["DEV_PARENT_PID"]);

setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, "SIGTERM");
}, orphanCheckEveryMs).unref();

const config = parseConfig(process.env);
const log = await createLog({ level: "warn", format: config.logFormat });
await migrateDatabase(config, { log });
await import("../main.ts");
