import { spawn, spawnSync } from "node:child_process";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findFreePort } from "../../src/dev/findFreePort.ts";
import { openTemporaryRoot } from "../../src/dev/postgres/postgresBinaries.ts";
import { findPostgresUser } from "../../src/dev/postgres/postgresUser.ts";
import { waitFor } from "./serverProcess.ts";

/** A PgBouncer as Neon's pooler is set up, in transaction mode. */
export interface PgBouncer {
  /** The same database through the pooler, marked as such. */
  readonly urlFor: (url: string) => string;
  readonly close: () => Promise<void>;
}

/** 1.21 is the first version that can keep prepared statements. */
const keepsStatementsSinceMinor = 21;

const programs = [
  process.env["PGBOUNCER_NEW"],
  Bun.which("pgbouncer", { PATH: `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin` }),
].flatMap((path) => (path ? [{ path, minor: findMinor(path) }] : []));

function findMinor(path: string): number {
  return Number(/PgBouncer 1\.(\d+)/.exec(spawnSync(path, ["--version"], { encoding: "utf8" }).stdout)?.[1]);
}

/** One that can keep prepared statements: `PGBOUNCER_NEW` names it where the installed one is older (Debian 12). */
export const newPgBouncer = programs.find(({ minor }) => minor >= keepsStatementsSinceMinor);
if (newPgBouncer === undefined)
  console.warn("Skipped: tests of prepared statements through PgBouncer 1.21 or newer, which PGBOUNCER_NEW may name.");

/**
 * @param options.keepsStatements as Neon's does; by default it loses prepared statements, as old ones do
 * @throws Error saying what to install if there is no pgbouncer on this machine
 */
export async function openPgBouncer(options: {
  serverUrl: string;
  poolSize?: number;
  keepsStatements?: boolean;
}): Promise<PgBouncer> {
  const program = options.keepsStatements ? newPgBouncer : programs.at(-1);
  if (program === undefined)
    throw new Error("This test needs PgBouncer: apt-get install pgbouncer, or brew install pgbouncer");
  const server = new URL(options.serverUrl);
  const port = await findFreePort();
  const folder = await mkdtemp(join(await openTemporaryRoot(), "clerk-neon-sync-pgbouncer-"));
  // Like Postgres, it refuses to run as root.
  const user = await findPostgresUser(undefined);
  await writeFile(join(folder, "users"), `"${server.username}" "${server.password}"\n`);
  await writeFile(
    join(folder, "pgbouncer.ini"),
    `[databases]
* = host=${server.hostname} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${join(folder, "users")}
pool_mode = transaction
max_client_conn = 1000
default_pool_size = ${options.poolSize ?? 5}
${program.minor >= keepsStatementsSinceMinor ? `max_prepared_statements = ${options.keepsStatements ? 100 : 0}` : ""}
`,
  );
  if (user) for (const path of [folder, join(folder, "users")]) await chown(path, user.uid, user.gid);
  let said = "";
  const child = spawn(program.path, [join(folder, "pgbouncer.ini")], {
    ...user,
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  await waitFor(() => said.includes("process up"), { deadlineMs: 10_000, what: () => `PgBouncer to start: ${said}` });
  return {
    urlFor: (text) => {
      const url = new URL(text);
      url.port = String(port);
      url.searchParams.set("pgbouncer", "true");
      return url.href;
    },
    close: async () => {
      kill();
      await ended;
      process.off("exit", kill);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
