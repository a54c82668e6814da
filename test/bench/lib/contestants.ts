import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { findFreePort } from "../../../src/dev/findFreePort.ts";
import { benchSecret } from "./deliveries.ts";
import { startServerChild, type ServerChild } from "./ipcChild.ts";

/** `B1` and `B3` are the baselines, `null` answers without a database, `artefact` is this program as one file, `pooled` the same as `this` through a pooler. */
export type ContestantName = "B1" | "B3" | "this" | "pooled" | "null" | "artefact";

const folder = join(import.meta.dir, "..");
const root = join(folder, "..", "..");
const artefact = join(root, ".tmp", "bench-artefact");
const bun = [process.execPath, "--no-install"];
const commandOf: Readonly<Record<ContestantName, readonly string[]>> = {
  B1: [...bun, join(folder, "baseline.ts")],
  B3: [...bun, join(folder, "baseline.ts")],
  null: [...bun, join(folder, "nullServer.ts")],
  this: [...bun, join(root, "src", "main.ts")],
  pooled: [...bun, join(root, "src", "main.ts")],
  artefact: [artefact],
};

/** Has to be called before `artefact` is started. */
export function buildArtefact(): void {
  const { status } = spawnSync(process.execPath, ["src/tools/build.ts", artefact], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) throw new Error("The one-file build failed");
}

/**
 * Starts one of the servers in a process of its own; answers once it listens.
 * @param env beside what every server is given
 */
export async function startContestant(
  name: ContestantName,
  databaseUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ServerChild> {
  return startServerChild({
    command: commandOf[name],
    env: {
      DATABASE_URL: databaseUrl,
      CLERK_WEBHOOK_SECRET: benchSecret,
      BASELINE: name,
      HOST: "127.0.0.1",
      // Nothing but deliveries is measured.
      RECONCILE_EVERY_MINUTES: "0",
      ...env,
    },
    port: await findFreePort(),
    // What goes wrong in a baseline is counted; they print a page about each.
    quiet: ["B1", "B3", "null"].includes(name),
  });
}
