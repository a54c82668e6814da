import { join } from "node:path";
import type { SyncRun } from "../../src/domain/syncRun.ts";

const root = join(import.meta.dir, "../..");
/** Without the developer's `.env`: a test must not reach the database that it names. */
const runOptions = ["--no-install", "--no-env-file"];

export const cli: readonly string[] = [process.execPath, ...runOptions, join(root, "src/cli/main.ts")];

/** The command line in a process of its own. */
export interface CliProcess {
  readonly pid: number;
  readonly signal: (name: NodeJS.Signals) => void;
  readonly ended: Promise<CliEnd>;
}

export interface CliEnd {
  /** Null: a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param folder where the sources of another version are; default: those of this one */
export function startCli(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { folder = root }: { folder?: string | undefined } = {},
): CliProcess {
  const child = Bun.spawn([process.execPath, ...runOptions, join(folder, "src/cli/main.ts"), ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = Promise.all([child.exited, child.stdout.text(), child.stderr.text()]).then(([, stdout, stderr]) => ({
    code: child.exitCode,
    stdout,
    stderr,
  }));
  return { pid: child.pid, signal: (name) => child.kill(name), ended };
}

/** The result of a run: the last line of NDJSON. */
export function lastLine({ stdout }: CliEnd): SyncRun {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as SyncRun;
}
