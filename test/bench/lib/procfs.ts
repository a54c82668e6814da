import { readdir, readFile } from "node:fs/promises";
import { ifThere } from "../../../src/dev/postgres/ifThere.ts";
import { goneOrHidden } from "../../../src/dev/postgres/processTable.ts";

/** The kernel counts in these; 100 a second on every Linux. */
const tickUs = 10_000;

/** Processor time a process has used, microseconds; undefined where there is no /proc. */
export async function findCpuUs(pid: number): Promise<number | undefined> {
  const fields = await readStat(pid);
  return fields && (fields.user + fields.system) * tickUs;
}

/** The same of a Postgres server with all its processes, those that have ended included. */
export async function findServerCpuUs(postmasterPid: number): Promise<number | undefined> {
  const postmaster = await readStat(postmasterPid);
  if (!postmaster) return undefined;
  let ticks = postmaster.user + postmaster.system + postmaster.reaped;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  for (const stat of await Promise.all(pids.map((pid) => readStat(Number(pid))))) {
    if (stat?.parent === postmasterPid) ticks += stat.user + stat.system;
  }
  return ticks * tickUs;
}

/** Memory a process holds, bytes; undefined where there is no /proc. */
export async function findMemoryBytes(pid: number): Promise<number | undefined> {
  const status = await ifThere(readFile(`/proc/${pid}/status`, "utf8"), goneOrHidden);
  const kib = status && /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kib ? Number(kib) * 1024 : undefined;
}

async function readStat(pid: number) {
  const text = await ifThere(readFile(`/proc/${pid}/stat`, "utf8"), goneOrHidden);
  if (text === undefined) return undefined;
  // The command, in parentheses, may hold anything; proc(5) counts the state after it as field 3.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (nth: number) => Number(fields[nth - 3]);
  return { parent: field(4), user: field(14), system: field(15), reaped: field(16) + field(17) };
}
