import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import postgres from "postgres";
import type { Log } from "../log.ts";
import { canEnter, findPostgresBinaries, findServerUser, type OsUser } from "./postgresBinaries.ts";

const startDeadlineMs = 20_000;
const stopDeadlineMs = 10_000;

// The server's end of life hangs on its standard input: when this process ends, however it ends, the pipe closes and
// the shell stops the server. SIGINT is Postgres' fast shutdown.
const guardScript = `exec 3<&0; "$@" </dev/null 3<&- & pid=$!; trap '' INT TERM HUP; (cat <&3 >/dev/null; kill -INT $pid 2>/dev/null) & exec 3<&-; wait $pid`;

export interface EmbeddedPostgresOptions {
  readonly log: Log;
  /** Kept and opened again next time; without it a temporary folder that goes with the server. */
  readonly dataFolder?: string;
  /** fsync on: what was committed survives `kill()`. Off it is about three times faster. */
  readonly durable?: boolean;
  /** `-c` settings of the server. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  readonly port: number;
  readonly pid: () => number;
  readonly urlFor: (databaseName: string) => string;
  /** A stopped or killed server starts again on the same port and data. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** SIGKILL to the postmaster and every backend, as a power cut would. */
  readonly kill: () => Promise<void>;
  /** Stops the server and removes a temporary folder. */
  readonly close: () => Promise<void>;
}

/** A real Postgres server of this process' own, on a free loopback port. It ends when this process ends. */
export async function openEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const user = findServerUser();
  const binaries = findPostgresBinaries(user);
  const folder = prepareFolder(options, user);
  const dataFolder = join(folder, "data");
  if (!existsSync(join(dataFolder, "PG_VERSION"))) initialise(binaries, dataFolder, user);
  stopLeftover(dataFolder);
  const port = await findFreePort();
  let server: ChildProcess | undefined;

  async function start(): Promise<void> {
    const settings = {
      port: String(port),
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      ...(options.durable || options.dataFolder !== undefined ? {} : { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }),
      ...options.settings,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    let output = "";
    const child = spawn("/bin/sh", ["-c", guardScript, "postgres", join(binaries, "bin", "postgres"), "-D", dataFolder, ...flags], {
      ...user,
      cwd: folder,
      // Ctrl-C is for this process, which then stops the server in order.
      detached: true,
      stdio: ["pipe", "ignore", "pipe"],
    });
    child.stderr?.on("data", (chunk: Buffer) => (output = `${output}${chunk.toString()}`.slice(-4000)));
    server = child;
    await waitUntilReady(() => child.exitCode, () => output);
  }

  async function waitUntilReady(exitCode: () => number | null, output: () => string): Promise<void> {
    const deadlineAtMs = Date.now() + startDeadlineMs;
    for (;;) {
      const sql = postgres(urlFor(port, "postgres"), { max: 1, connect_timeout: 2, onnotice: () => undefined });
      try {
        await sql`select 1`;
        return;
      } catch (cause) {
        if (exitCode() !== null || Date.now() > deadlineAtMs) {
          throw new Error(`The embedded Postgres did not start:\n${output()}`, { cause });
        }
        await Bun.sleep(20);
      } finally {
        await sql.end({ timeout: 0 });
      }
    }
  }

  async function end(signal: "SIGINT" | "SIGKILL"): Promise<void> {
    const child = server;
    if (!child || child.exitCode !== null) return;
    const exited = new Promise((done) => child.once("exit", done));
    if (signal === "SIGKILL") {
      const pid = readPid(dataFolder);
      for (const backend of findChildren(pid)) trySignal(backend, "SIGKILL");
      if (pid !== null) trySignal(pid, "SIGKILL");
    }
    child.stdin?.end();
    await Promise.race([exited, Bun.sleep(stopDeadlineMs)]);
  }

  await start();
  options.log.debug({ port, dataFolder }, "[Postgres] Embedded server started");
  return {
    port,
    pid: () => readPid(dataFolder) ?? 0,
    urlFor: (name) => urlFor(port, name),
    start,
    stop: () => end("SIGINT"),
    kill: () => end("SIGKILL"),
    close: async () => {
      await end("SIGINT");
      if (options.dataFolder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

function urlFor(port: number, name: string): string {
  return `postgres://postgres:postgres@127.0.0.1:${port}/${name}`;
}

function prepareFolder(options: EmbeddedPostgresOptions, user: OsUser | null): string {
  const wanted = options.dataFolder === undefined ? null : resolve(options.dataFolder);
  if (wanted !== null) mkdirSync(wanted, { recursive: true });
  const usable = wanted !== null && canEnter(wanted, user);
  const kept = wanted === null || usable ? wanted : join(tmpdir(), `clerk-neon-sync-${Bun.hash(wanted).toString(36)}`);
  if (wanted !== null && kept !== wanted) {
    options.log.warn({ dataFolder: kept }, "[Postgres] The server's user cannot reach the data folder; using another one");
  }
  const folder = kept ?? mkdtempSync(join(tmpdir(), "clerk-neon-sync-postgres-"));
  mkdirSync(folder, { recursive: true });
  if (user) chownSync(folder, user.uid, user.gid);
  return folder;
}

function initialise(binaries: string, dataFolder: string, user: OsUser | null): void {
  rmSync(dataFolder, { recursive: true, force: true });
  const flags = ["-D", dataFolder, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
  const result = spawnSync(join(binaries, "bin", "initdb"), flags, { ...user, cwd: "/" });
  if (result.status !== 0) throw new Error(`initdb failed:\n${result.stderr.toString()}${result.error?.message ?? ""}`);
}

/** A server that outlived its owner, or the pid file of one that did not, stands in the way of the next. */
function stopLeftover(dataFolder: string): void {
  const pid = readPid(dataFolder);
  if (pid === null || !isPostmasterOf(pid, dataFolder)) return;
  trySignal(pid, "SIGINT");
  const deadlineAtMs = Date.now() + stopDeadlineMs;
  while (Date.now() < deadlineAtMs && isPostmasterOf(pid, dataFolder)) Bun.sleepSync(20);
}

/** Pids are used again: only a process that says so itself is this folder's server. */
function isPostmasterOf(pid: number, dataFolder: string): boolean {
  return String(spawnSync("ps", ["-o", "args=", "-p", String(pid)]).stdout).includes(dataFolder);
}

function readPid(dataFolder: string): number | null {
  const file = join(dataFolder, "postmaster.pid");
  return existsSync(file) ? Number(readFileSync(file, "utf8").split("\n")[0]) || null : null;
}

function findChildren(pid: number | null): number[] {
  if (pid === null) return [];
  return String(spawnSync("ps", ["-o", "pid=", "--ppid", String(pid)]).stdout).split("\n").map(Number).filter(Boolean);
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (cause) {
    // It is gone already, which is what was wanted.
    if ((cause as { code?: string }).code !== "ESRCH") throw cause;
  }
}

async function findFreePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === "string") throw new Error("No free port was found.");
  return address.port;
}
