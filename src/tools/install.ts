// Runs before anything else on a fresh clone, so it imports only what the runtime brings.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");
const modules = join(root, "node_modules");
/** Holds the hash of the lockfile that this script installed. */
const stamp = join(modules, ".installed-lockfile");
/** Undefined in the package, whose dependencies were installed with it. */
const lockfile = findHash(join(root, "bun.lock"));
/** Set for the process that replaces this one, so that a missing package cannot make it install for ever. */
const afterInstall = "DEPENDENCIES_INSTALLED";
const isProduction = process.env["NODE_ENV"] === "production";

const needsInstallation = () => (existsSync(stamp) ? readFileSync(stamp, "utf8") !== lockfile : !isComplete());

if (lockfile !== undefined && !process.env[afterInstall] && needsInstallation()) {
  console.error("Installing the locked dependencies…");
  const args = ["install", "--frozen-lockfile", ...(isProduction ? ["--production"] : [])];
  // Standard output belongs to the command that follows.
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
  if (!isProduction) writeFileSync(stamp, lockfile);
  // As a preload: this process has cached that node_modules is missing, so a new one replaces it.
  if (!import.meta.main) restart();
}

function findHash(file: string): string | undefined {
  return existsSync(file) ? createHash("sha256").update(readFileSync(file)).digest("hex") : undefined;
}

/** Whether another tool installed what package.json pins, as in an image built with `bun install --production`. */
function isComplete(): boolean {
  const manifest = readManifest(root);
  const wanted = { ...manifest?.dependencies, ...(isProduction ? {} : manifest?.devDependencies) };
  return Object.entries(wanted).every(([name, version]) => readManifest(join(modules, name))?.version === version);
}

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function readManifest(folder: string): Manifest | undefined {
  const file = join(folder, "package.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Manifest) : undefined;
}

function restart(): never {
  const args = [...process.execArgv, ...process.argv.slice(1)];
  const env = { ...process.env, [afterInstall]: "1" };
  if (process.platform !== "win32") process.execve?.(process.execPath, [process.execPath, ...args], env);
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", env });
  process.exit(status ?? 1);
}
