import { readdir, readFile } from "node:fs/promises";

/** Command lines of the running processes that name `text`. */
export async function findProcesses(text: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(text));
}

/** The same after they have had a moment to end. */
export async function findLeftProcesses(text: string, graceMs = 8_000): Promise<string[]> {
  const deadline = Date.now() + graceMs;
  while ((await findProcesses(text)).length > 0 && Date.now() < deadline) await Bun.sleep(50);
  return findProcesses(text);
}
