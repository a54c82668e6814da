import { createHash, randomBytes } from "node:crypto";
import { chown, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Log } from "../../log.ts";
import { ifThere } from "./ifThere.ts";
import type { PostgresBinaries } from "./postgresBinaries.ts";
import { isAlive, signal, supervisorName } from "./postgresProcess.ts";
import { canWriteFolder, runCommand, type PostgresUser } from "./postgresUser.ts";
import { findProcess } from "./processTable.ts";

/** initdb takes half a second; a slow disk takes longer. */
const initdbDeadlineMs = 120_000;
/** Time within which a server whose program has just died notices that and ends. */
const orphanGraceMs = 5_000;
const passwordFile = "embedded_password";

/**
 * Where a persistent server keeps its data: `wanted`, or, if the server's account cannot get there (root's
 * home is often closed to other accounts), a folder under /var/tmp that has the same name each time.
 */
export async function placeDataFolder(wanted: string, user: PostgresUser, log: Log): Promise<string> {
  await mkdir(dirname(wanted), { recursive: true });
  if (user === undefined || (await canReach(wanted, user))) return wanted;
  const name = createHash("sha256").update(wanted).digest("hex").slice(0, 12);
  const elsewhere = join("/var/tmp", `clerk-neon-sync-${user.uid}-${name}`, "postgres");
  await mkdir(dirname(elsewhere), { recursive: true, mode: 0o755 });
  log.warn(
    { wanted, dataFolder: elsewhere },
    "[Postgres] The data folder cannot be reached by the server's account; using another",
  );
  return elsewhere;
}

async function canReach(wanted: string, user: PostgresUser): Promise<boolean> {
  const probe = await mkdtemp(`${wanted}.probe-`);
  try {
    if (user !== undefined) await chown(probe, user.uid, user.gid);
    return await canWriteFolder(probe, user);
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}

interface DataFolderOptions {
  readonly dataFolder: string;
  readonly user: PostgresUser;
  readonly binaries: PostgresBinaries;
  readonly durable: boolean;
}

/**
 * Makes the data folder if there is none and returns the superuser's password. The folder is built under another name
 * and then moved, so that an unfinished one is never used.
 * @throws Error if the folder holds something else, or data of another major version
 */
export async function ensureDataFolder(options: DataFolderOptions): Promise<string> {
  const { dataFolder, binaries } = options;
  const names = (await ifThere(readdir(dataFolder))) ?? [];
  if (names.length === 0) return createDataFolder(options);
  const version = await ifThere(readFile(join(dataFolder, "PG_VERSION"), "utf8"));
  if (version === undefined || !names.includes(passwordFile))
    throw new Error(`${dataFolder} is not a data folder made by this program`);
  if (version.trim() !== binaries.major) {
    throw new Error(
      `${dataFolder} holds data of Postgres ${version.trim()}, the installed one is ${binaries.major}; move it away`,
    );
  }
  return (await readFile(join(dataFolder, passwordFile), "utf8")).trim();
}

async function createDataFolder({ dataFolder, user, binaries, durable }: DataFolderOptions): Promise<string> {
  const draft = await mkdtemp(`${dataFolder}.new-`);
  try {
    // Hexadecimal: it appears in a URL.
    const password = randomBytes(16).toString("hex");
    const secret = join(draft, passwordFile);
    const data = join(draft, "data");
    await writeFile(secret, `${password}\n`, { mode: 0o600 });
    if (user !== undefined) for (const path of [draft, secret]) await chown(path, user.uid, user.gid);
    const flags = [
      `--pgdata=${data}`,
      `--pwfile=${secret}`,
      "--username=postgres",
      "--auth=password",
      "--encoding=UTF8",
      // Neon's own default, and the same on every machine whatever locales it has.
      "--locale=C",
      // There since Postgres 17.
      ...(Number(binaries.major) >= 17 ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : []),
      ...(durable ? [] : ["--no-sync"]),
    ];
    const made = await runCommand(binaries.initdb, flags, { user, deadlineMs: initdbDeadlineMs });
    if (made.code !== 0) throw new Error(`initdb failed: ${made.output}`);
    await rename(secret, join(data, passwordFile));
    await rename(data, dataFolder);
    return password;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/**
 * Clears what a crash left: a server whose program died is ended in order, a pid file that now names some other
 * process is removed (in containers the same small numbers come back). A pid without a process is left to Postgres.
 * @throws Error if a living program uses the folder
 */
export async function endStaleServer(dataFolder: string, log: Log): Promise<void> {
  const file = join(dataFolder, "postmaster.pid");
  const pid = Number((await ifThere(readFile(file, "utf8")))?.split("\n")[0]);
  if (!Number.isInteger(pid) || pid <= 1) return;
  if (await isSupervised(pid)) await waitUntilGone(pid, orphanGraceMs);
  const found = await findProcess(pid);
  if (found === undefined) return;
  if (!found.command.includes(dataFolder)) {
    await rm(file, { force: true });
    return;
  }
  if (await isSupervised(pid))
    throw new Error(`${dataFolder} is in use by another program (Postgres process ${pid}); stop that first`);
  log.warn({ pid }, "[Postgres] Ending a server that a crash left behind");
  signal(pid, "SIGINT");
  if (await waitUntilGone(pid, 2 * orphanGraceMs)) return;
  signal(pid, "SIGKILL");
  await waitUntilGone(pid, orphanGraceMs);
}

/** A supervised server ends by itself when its program does. */
async function isSupervised(pid: number): Promise<boolean> {
  const parent = (await findProcess(pid))?.parentPid;
  return parent !== undefined && ((await findProcess(parent))?.command.includes(supervisorName) ?? false);
}

async function waitUntilGone(pid: number, deadlineMs: number): Promise<boolean> {
  const deadline = Date.now() + deadlineMs;
  while (isAlive(pid)) {
    if (Date.now() > deadline) return false;
    await Bun.sleep(50);
  }
  return true;
}
