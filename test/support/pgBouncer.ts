import { spawn } from "node:child_process";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findFreePort } from "../../src/dev/findFreePort.ts";
import { openTemporaryRoot } from "../../src/dev/postgres/postgresBinaries.ts";
import { findPostgresUser } from "../../src/dev/postgres/postgresUser.ts";
import { waitFor } from "./serverProcess.ts";

/** A PgBouncer as Neon's pooler is set up: transaction mode; and as old ones are: no prepared statements. */
export interface PgBouncer {
  /** The same database through the pooler, marked as such. */
  readonly urlFor: (url: string) => string;
  readonly close: () => Promise<void>;
}

/** @throws Error saying what to install if there is no pgbouncer on this machine */
export async function openPgBouncer(options: { serverUrl: string; poolSize?: number }): Promise<PgBouncer> {
  const program = Bun.which("pgbouncer", { PATH: `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin` });
  if (program === null)
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
`,
  );
  if (user) for (const path of [folder, join(folder, "users")]) await chown(path, user.uid, user.gid);
  let said = "";
  const child = spawn(program, [join(folder, "pgbouncer.ini")], {
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
