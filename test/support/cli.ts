import { join } from "node:path";
import type { SyncRun } from "../../src/domain/syncRun.ts";

/** What a developer's own `.env` says is not meant for a test, least of all its database. */
export const cli: readonly string[] = [
  process.execPath,
  "--no-install",
  "--no-env-file",
  join(import.meta.dir, "../../src/cli/main.ts"),
];

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

export function startCli(args: readonly string[], env: Readonly<Record<string, string>>): CliProcess {
  const root = join(import.meta.dir, "../..");
  const child = Bun.spawn([...cli, ...args], {
    cwd: root,
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
