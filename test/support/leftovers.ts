import { readdir } from "node:fs/promises";
import { findProcess } from "../../src/dev/postgres/processTable.ts";

/** Command lines of the running processes that name `text`. */
export async function findProcesses(text: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => findProcess(Number(pid))));
  return found.flatMap((entry) => (entry?.command.includes(text) ? [entry.command] : []));
}

/** The same, after `graceMs` at most for them to end. */
export async function findLeftProcesses(text: string, graceMs = 8_000): Promise<string[]> {
  const deadline = Date.now() + graceMs;
  while ((await findProcesses(text)).length > 0 && Date.now() < deadline) await Bun.sleep(50);
  return findProcesses(text);
}
