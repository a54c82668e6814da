// The server as `dev` runs it: the production entry point, which ends when the program that keeps its database does.
import "../main.ts";

/** A parent that was killed can tell nobody; the system then gives its children another. */
const orphanCheckEveryMs = 500;
const parentPid = Number(process.env["DEV_PARENT_PID"]);

setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, "SIGTERM");
}, orphanCheckEveryMs).unref();
