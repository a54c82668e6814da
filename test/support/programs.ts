// Other versions of the program than this one, to run beside it on one database.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

/**
 * The last released version, whose copies run beside this version's during a rolling update. A release moves these two
 * lines to itself, after which the tests hold between it and what comes next.
 */
export const lastRelease = { version: "0.1.0", commit: "76ac66f8fb40430d97462803a116cf21f497a297" };

/** The sources of one version, with their dependencies, in a folder of their own. */
export interface Program {
  readonly folder: string;
  readonly close: () => void;
}

/** What a version is run from; the rest of a checkout is tests and documents. */
const programPaths = ["src", "drizzle", "package.json", "bun.lock", "tsconfig.json", "bunfig.toml"];

/**
 * The last release out of the repository's own history.
 * @throws Error that names the command to run if the clone lacks that history
 */
export function openLastRelease({ repository = root }: { repository?: string } = {}): Program {
  const { version, commit } = lastRelease;
  const found = git(repository, "cat-file", "-e", `${commit}^{commit}`);
  if (found.status !== 0) {
    throw new Error(
      `Version ${version} (commit ${commit}) is not in the history of ${repository}. ` +
        `In a shallow clone run: git fetch --unshallow\nGit says: ${found.stderr.toString()}`,
    );
  }
  const archive = git(repository, "archive", "--format=tar", commit, "--", ...programPaths);
  if (archive.status !== 0) throw new Error(`git archive failed: ${archive.stderr.toString()}`);
  return openProgram((folder) => {
    const unpacked = spawnSync("tar", ["-x", "-C", folder], { input: archive.stdout });
    if (unpacked.status !== 0) throw new Error(`tar failed: ${unpacked.stderr.toString()}`);
  });
}

/**
 * This version with another text in one file: a later version, as far as the database can tell.
 * @throws Error if `edit` changes nothing
 */
export function openVariant(path: string, edit: (text: string) => string): Program {
  return openProgram((folder) => {
    for (const name of programPaths) cpSync(join(root, name), join(folder, name), { recursive: true });
    const text = readFileSync(join(root, path), "utf8");
    const edited = edit(text);
    if (edited === text) throw new Error(`The edit leaves ${path} as it is.`);
    writeFileSync(join(folder, path), edited);
  });
}

function openProgram(fill: (folder: string) => void): Program {
  const folder = mkdtempSync(join(tmpdir(), "clerk-neon-sync-version-"));
  const close = () => rmSync(folder, { recursive: true, force: true });
  try {
    fill(folder);
    linkDependencies(folder);
  } catch (error) {
    close();
    throw error;
  }
  return { folder, close };
}

/** The dependencies installed here, if the lockfile pins the same; else the version's own. */
function linkDependencies(folder: string): void {
  const lockfileOf = (place: string) => readFileSync(join(place, "bun.lock"), "utf8");
  if (lockfileOf(folder) === lockfileOf(root)) {
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    return;
  }
  const args = ["install", "--frozen-lockfile", "--production", "--ignore-scripts"];
  const installed = spawnSync(process.execPath, args, { cwd: folder });
  if (installed.status !== 0) throw new Error(`bun install failed: ${installed.stderr.toString()}`);
}

function git(repository: string, ...args: string[]) {
  // Without the variables that a Git hook sets: they would name another repository.
  const env = { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "" };
  return spawnSync("git", ["-C", repository, ...args], { env, maxBuffer: 256 * 1024 * 1024 });
}
