import { spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { ifThere } from "./ifThere.ts";

/** The account a Postgres process runs under; `undefined`: the one of this process. */
export type PostgresUser = { readonly uid: number; readonly gid: number } | undefined;

/** Nothing of our environment (PG*, TZ, locale) may change what the server does. */
export const postgresEnvironment = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", LC_ALL: "C", TZ: "UTC" };

/**
 * Postgres refuses to run as root, so root hands it to another account: the owner of an existing data folder, else
 * `postgres`, else `nobody`. It must be an account with a name, or initdb fails; none is created, since a
 * development tool should not change the machine's users.
 * @throws Error if root finds neither account
 */
export async function findPostgresUser(dataFolder: string | undefined): Promise<PostgresUser> {
  if (process.getuid?.() !== 0) return undefined;
  const owner = dataFolder === undefined ? undefined : await ifThere(stat(dataFolder));
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  for (const name of ["postgres", "nobody"]) {
    const uid = await runCommand("id", ["-u", name]);
    const gid = await runCommand("id", ["-g", name]);
    if (uid.code === 0 && gid.code === 0) return { uid: Number(uid.output), gid: Number(gid.output) };
  }
  throw new Error("Postgres cannot run as root, and there is no account `postgres` or `nobody` to run it under");
}

/** Whether `user` can enter and write `folder`, asked of the kernel so that every kind of permission counts. */
export async function canWriteFolder(folder: string, user: PostgresUser): Promise<boolean> {
  const { code } = await runCommand("sh", ["-c", 'test -x "$1" && test -w "$1"', "sh", folder], { user });
  return code === 0;
}

/** Runs to the end, or is killed at the deadline; standard output and error come as one text. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { user, deadlineMs = 10_000 }: { user?: PostgresUser; deadlineMs?: number } = {},
): Promise<{ code: number | null; output: string }> {
  const child = spawn(command, args, {
    ...user,
    cwd: "/",
    env: postgresEnvironment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  try {
    const code = await new Promise<number | null>((resolve) => {
      child.once("close", resolve);
      child.once("error", (cause) => {
        output += String(cause);
        resolve(null);
      });
    });
    return { code, output: output.trim() };
  } finally {
    clearTimeout(timer);
  }
}
