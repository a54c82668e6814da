// Runs before anything else on a fresh clone: nothing but what the runtime brings may be imported here.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const stamp = join(root, "node_modules", ".installed-lockfile");
const lockfile = createHash("sha256")
  .update(readFileSync(join(root, "bun.lock")))
  .digest("hex");

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lockfile) {
  console.error("Installing the locked dependencies…");
  const result = spawnSync(process.execPath, ["install", "--frozen-lockfile"], {
    cwd: root,
    // Standard output belongs to the command that follows.
    stdio: ["ignore", 2, 2],
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
  writeFileSync(stamp, lockfile);
}
