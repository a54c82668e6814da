// The server as `dev` runs it: with the schema of the code as it is now, and no longer than `dev` itself.
import { parseConfig } from "../config.ts";
import { createLog } from "../log.ts";
import { migrateDatabase } from "../store/migration/migrate.ts";

/** A parent that was killed sends no message; the system then gives its children another. */
const orphanCheckEveryMs = 500;
const parentPid = Number(process.env["DEV_PARENT_PID"]);

setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, "SIGTERM");
}, orphanCheckEveryMs).unref();

const config = parseConfig(process.env);
// A change of the schema or of a SQL function starts the server anew like any other.
const log = await createLog({ level: "warn", format: config.logFormat });
await migrateDatabase(config, { log });
await import("../main.ts");
