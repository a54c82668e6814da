import { readdir, readFile } from "node:fs/promises";
import { ifThere } from "./ifThere.ts";
import { runCommand } from "./postgresUser.ts";

/** Error codes for a process that has just ended, or that is hidden because it is another account's. */
export const goneOrHidden: readonly string[] = ["ESRCH", "EACCES", "EPERM"];

/** A process as the system lists it. */
export interface ProcessEntry {
  readonly parentPid: number;
  /** The whole command line; empty if the process has ended and was not reaped. */
  readonly command: string;
}

/** `undefined`: there is no such process. */
export async function findProcess(pid: number): Promise<ProcessEntry | undefined> {
  if (process.platform === "linux") {
    const status = await ifThere(readFile(`/proc/${pid}/stat`, "utf8"), goneOrHidden);
    if (status === undefined) return undefined;
    const command = (await ifThere(readFile(`/proc/${pid}/cmdline`, "utf8"), goneOrHidden)) ?? "";
    return { parentPid: parentIn(status), command: command.replaceAll("\0", " ").trim() };
  }
  const { code, output } = await runCommand("ps", ["-o", "ppid=,command=", "-p", String(pid)]);
  const match = /^\s*(\d+)\s+(.*)$/.exec(output);
  return code === 0 && match !== null ? { parentPid: Number(match[1]), command: match[2] ?? "" } : undefined;
}

/** The processes that `pid` started and that still run. */
export async function childrenOf(pid: number): Promise<number[]> {
  if (process.platform === "linux") {
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
    const status = await Promise.all(pids.map((each) => ifThere(readFile(`/proc/${each}/stat`, "utf8"), goneOrHidden)));
    return pids.filter((_, index) => status[index] !== undefined && parentIn(status[index]) === pid).map(Number);
  }
  const { output } = await runCommand("pgrep", ["-P", String(pid)]);
  return output.split("\n").filter(Boolean).map(Number);
}

/** proc_pid_stat(5): the name in the second field may hold spaces and brackets, so counting starts after it. */
function parentIn(status: string): number {
  return Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
}
