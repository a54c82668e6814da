import { chown, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import postgres from "postgres";
import type { Log } from "../../log.ts";
import { findFreePort } from "../findFreePort.ts";
import { findPostgresBinaries, openTemporaryRoot } from "./postgresBinaries.ts";
import { ensureDataFolder, endStaleServer, placeDataFolder } from "./postgresDataFolder.ts";
import { PostgresStartError, startPostgres, type PostgresProcess } from "./postgresProcess.ts";
import { findPostgresUser, type PostgresUser } from "./postgresUser.ts";

/** Retries, because children of a crashed server may not have ended yet, and another process may take the free port. */
const startAttemptsMax = 20;
const startPauseMs = 250;

/** Options of `openEmbeddedPostgres`. */
export interface EmbeddedPostgresOptions {
  /** Folder of a persistent server's data. If the server's account cannot reach it, another is used and logged. */
  readonly dataFolder?: string;
  /** Keeps the data; otherwise they are in a temporary folder, which `stop` removes. */
  readonly persistent: boolean;
  readonly log: Log;
  /** Default: a free one. */
  readonly port?: number;
  /** Server settings by name, beside or instead of the ones chosen here. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether commits reach the disk before they are answered; default: true for a persistent server. */
  readonly durable?: boolean;
  /** Folder of another version's programs, see `findPostgresBinaries`. */
  readonly packageFolder?: string | undefined;
}

/** A Postgres server of our own, on 127.0.0.1 only. */
export interface EmbeddedPostgres {
  /** URL of the database `postgres`, with its superuser. */
  readonly url: string;
  readonly port: number;
  readonly dataFolder: string;
  /** Process id of the server's main process; another one after `restart`. */
  readonly pid: number;
  urlFor(databaseName: string): string;
  /** `template` must have no connections. */
  createDatabase(name: string, template?: string): Promise<void>;
  /** Ends the database's connections and drops it; no error if it does not exist. */
  dropDatabase(name: string): Promise<void>;
  /** Ends the server in order; a temporary data folder is removed. May be called twice. */
  stop(): Promise<void>;
  /** Kills the server and all its processes as `kill -9` does; the data stay for `restart`. */
  kill(): Promise<void>;
  /** Starts the server again, after stopping it if it runs: same port, same data. */
  restart(): Promise<void>;
}

/**
 * Opens a real Postgres from the programs in node_modules. The server never outlives this process, however it ends.
 * @throws Error if the data folder is in use, of another major version, or the server does not start
 */
export async function openEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { log, persistent } = options;
  const wanted = options.dataFolder === undefined ? undefined : resolve(options.dataFolder);
  if (persistent && wanted === undefined) throw new Error("a persistent server needs a dataFolder");
  const user = await findPostgresUser(wanted);
  const binaries = await findPostgresBinaries({ user, log, packageFolder: options.packageFolder });
  const temporaryFolder = persistent ? undefined : await openTemporaryFolder(user);
  const dataFolder =
    temporaryFolder === undefined ? await placeDataFolder(wanted ?? "", user, log) : join(temporaryFolder, "data");
  const durable = options.durable ?? persistent;
  try {
    await endStaleServer(dataFolder, log);
    const password = await ensureDataFolder({ dataFolder, user, binaries, durable });
    const start = async (port: number | undefined) =>
      startOnPort(port, async (chosen) => {
        const args = ["-D", dataFolder, ...toFlags({ ...chosenSettings(chosen, durable), ...options.settings })];
        return startPostgres({ postgres: binaries.postgres, args, user, temporaryFolder, log });
      });
    return serverOf(await start(options.port), { start, dataFolder, password, temporaryFolder });
  } catch (cause) {
    if (temporaryFolder !== undefined) await removeFolder(temporaryFolder);
    throw cause;
  }
}

interface Started {
  readonly port: number;
  readonly process: PostgresProcess;
}

function serverOf(
  started: Started,
  parts: {
    start: (port: number) => Promise<Started>;
    dataFolder: string;
    password: string;
    temporaryFolder: string | undefined;
  },
): EmbeddedPostgres {
  const { port } = started;
  const { start, dataFolder, password, temporaryFolder } = parts;
  let current = started.process;
  let running = true;
  const urlFor = (name: string) => `postgresql://postgres:${password}@127.0.0.1:${port}/${encodeURIComponent(name)}`;
  const run = async (statement: (sql: postgres.Sql) => Promise<unknown>) => {
    const sql = postgres(urlFor("postgres"), { max: 1, onnotice: () => undefined });
    try {
      await statement(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  };
  const halt = async (how: "stop" | "kill") => {
    if (!running) return;
    running = false;
    await current[how]();
  };
  return {
    url: urlFor("postgres"),
    port,
    dataFolder,
    get pid() {
      return current.pid;
    },
    urlFor,
    createDatabase: async (name, template = "template1") =>
      run((sql) => sql`create database ${sql(name)} template ${sql(template)}`),
    dropDatabase: async (name) => run((sql) => sql`drop database if exists ${sql(name)} with (force)`),
    stop: async () => {
      await halt("stop");
      if (temporaryFolder !== undefined) await removeFolder(temporaryFolder);
      current.release();
    },
    kill: async () => halt("kill"),
    restart: async () => {
      await halt("stop");
      const ended = current;
      ({ process: current } = await start(port));
      running = true;
      ended.release();
    },
  };
}

async function startOnPort(
  port: number | undefined,
  start: (port: number) => Promise<PostgresProcess>,
): Promise<Started> {
  for (let attempt = 1; ; attempt++) {
    const chosen = port ?? (await findFreePort());
    try {
      return { port: chosen, process: await start(chosen) };
    } catch (cause) {
      if (!(cause instanceof PostgresStartError) || attempt === startAttemptsMax) throw cause;
      if (!/Address already in use|shared memory block/.test(cause.output)) throw cause;
      await Bun.sleep(startPauseMs);
    }
  }
}

function chosenSettings(port: number, durable: boolean): Record<string, string> {
  const settings = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    timezone: "UTC",
    log_timezone: "UTC",
    max_connections: "200",
    // No replica ever reads this log.
    wal_level: "minimal",
    max_wal_senders: "0",
  };
  return durable ? settings : { ...settings, fsync: "off", full_page_writes: "off", synchronous_commit: "off" };
}

function toFlags(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

async function openTemporaryFolder(user: PostgresUser): Promise<string> {
  const folder = await mkdtemp(join(await openTemporaryRoot(), "clerk-neon-sync-pg-"));
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  return folder;
}

async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}
