import { spawn, type ChildProcess } from "node:child_process";
import type { Log } from "../../log.ts";
import { postgresEnvironment, type PostgresUser } from "./postgresUser.ts";
import { childrenOf } from "./processTable.ts";

/** The shell's `$0`: a server without such a parent is an orphan. */
export const supervisorName = "embedded-postgres-supervisor";
/** A start after a crash replays the log first. */
const startDeadlineMs = 60_000;
/** A fast shutdown writes one checkpoint; beyond this the server hangs. */
const stopDeadlineMs = 15_000;
/** How much of the server's output an error quotes. */
const tailCharsMax = 4_000;

/**
 * Runs Postgres as a child while a watcher reads standard input, which ends when this program dies, however it dies:
 * then the watcher stops the server and removes `$2`, if that is not empty. A line on standard input ends the watcher
 * instead. It prints the server's pid, and later that the server has ended; it stays on, because the pipe closes
 * with it. Shell and not Bun, because it has to be small.
 */
const supervisor = `
exec 3<&0 </dev/null
signal=$1 folder=$2; shift 2
"$@" 3<&- >&2 & postgres=$!
(
  if read -r _ <&3; then exit; fi
  kill -"$signal" "$postgres"
  n=0
  while kill -0 "$postgres" 2>/dev/null && [ "$n" -lt 150 ]; do
    n=$((n+1)); [ "$n" -eq 100 ] && kill -KILL "$postgres"; sleep 0.1
  done
  [ -n "$folder" ] && rm -rf "$folder"
) >/dev/null 2>&1 &
echo "$postgres"
exec 3<&- 2>/dev/null
wait "$postgres"
echo ended
wait
`;

/** A running server. */
export interface PostgresProcess {
  /** Process id of the postmaster. */
  readonly pid: number;
  /** Disconnects clients, writes a checkpoint, ends; resolves when the process is gone. */
  stop(): Promise<void>;
  /** SIGKILL to the postmaster and its children; resolves when all are gone. */
  kill(): Promise<void>;
  /** To be called when the server has ended and its folder is no longer in use. */
  release(): void;
}

/**
 * Starts a server and waits until it accepts connections.
 * @throws PostgresStartError with the end of the server's output
 */
export async function startPostgres(options: {
  postgres: string;
  args: readonly string[];
  user: PostgresUser;
  /** Removed if this program dies. */
  temporaryFolder: string | undefined;
  log: Log;
}): Promise<PostgresProcess> {
  const { temporaryFolder, user, log } = options;
  const onOrphan = temporaryFolder === undefined ? ["INT", ""] : ["QUIT", temporaryFolder];
  const child = spawn("sh", ["-c", supervisor, supervisorName, ...onOrphan, options.postgres, ...options.args], {
    ...user,
    cwd: "/",
    env: postgresEnvironment,
    // A session of its own: Ctrl-C ends our program in order, not the database under it.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ended = waitUntilEnded(child);
  const pid = await waitUntilReady(child, ended, log);
  // A caller that does not stop the server can still exit; the supervisor stops it.
  for (const handle of [child, child.stdin, child.stdout, child.stderr]) unref(handle);
  return {
    pid,
    stop: async () => {
      signal(pid, "SIGINT");
      const timer = setTimeout(() => void killAll(pid), stopDeadlineMs);
      child.ref();
      await ended;
      clearTimeout(timer);
    },
    kill: async () => {
      await killAll(pid);
      child.ref();
      await ended;
    },
    release: () => child.stdin.end("done\n"),
  };
}

/** The server ended before it was ready. */
export class PostgresStartError extends Error {
  readonly output: string;

  constructor(output: string) {
    super(`Postgres did not start: ${output}`);
    this.name = "PostgresStartError";
    this.output = output;
  }
}

async function waitUntilEnded(child: ChildProcess): Promise<void> {
  let said = "";
  await new Promise<void>((resolve) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("ended")) resolve();
    });
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
}

async function waitUntilReady(child: ChildProcess, ended: Promise<void>, log: Log): Promise<number> {
  let tail = "";
  let pidText = "";
  let timer: NodeJS.Timeout | undefined;
  child.stdout?.once("data", (chunk: Buffer) => (pidText = chunk.toString()));
  const ready = new Promise<void>((resolve) => {
    child.stderr?.on("data", (chunk: Buffer) => {
      const text = chunk.toString();
      for (const line of text.split("\n")) if (line.trim()) log.trace({ line }, "[Postgres]");
      tail = (tail + text).slice(-tailCharsMax);
      if (tail.includes("database system is ready to accept connections")) resolve();
    });
  });
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve("late"), startDeadlineMs);
  });
  const outcome = await Promise.race([ready.then(() => "ready"), ended.then(() => "ended"), late]);
  clearTimeout(timer);
  const pid = Number.parseInt(pidText, 10);
  if (outcome === "ready") return pid;
  if (outcome === "late" && pid > 0) await killAll(pid);
  child.stdin?.end("done\n");
  throw new PostgresStartError(tail.trim() || `no answer within ${startDeadlineMs} ms`);
}

async function killAll(pid: number): Promise<void> {
  // Stopped first: a postmaster that sees a child die would start another one.
  signal(pid, "SIGSTOP");
  const children = await childrenOf(pid);
  for (const each of [pid, ...children]) signal(each, "SIGKILL");
  const deadline = Date.now() + 5_000;
  while (children.some(isAlive) && Date.now() < deadline) await Bun.sleep(5);
}

/** Streams and processes of Bun have these; the types of Node's streams do not say so. */
function unref(handle: unknown): void {
  if (typeof handle === "object" && handle !== null && "unref" in handle && typeof handle.unref === "function")
    handle.unref();
}

/** Whether there is such a process, a zombie included. */
export function isAlive(pid: number): boolean {
  return signal(pid, 0);
}

/** Sends a signal. @returns whether there is such a process */
export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
