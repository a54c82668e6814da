import { join } from "node:path";
import { findFreePort } from "../../../src/dev/freePort.ts";
import { benchSecret } from "./deliveries.ts";
import { startServerChild, type ServerChild } from "./ipcChild.ts";

/** `B1` and `B3` are the baselines, `null` answers without a database. */
export type ContestantName = "B1" | "B3" | "this" | "null";

const folder = join(import.meta.dir, "..");
const scriptOf: Readonly<Record<ContestantName, string>> = {
  B1: join(folder, "baseline.ts"),
  B3: join(folder, "baseline.ts"),
  null: join(folder, "nullServer.ts"),
  this: join(folder, "..", "..", "src", "main.ts"),
};

/** Starts one of the servers in a process of its own; answers once it listens. */
export async function startContestant(name: ContestantName, databaseUrl: string): Promise<ServerChild> {
  return startServerChild({
    script: scriptOf[name],
    env: {
      DATABASE_URL: databaseUrl,
      CLERK_WEBHOOK_SECRET: benchSecret,
      BASELINE: name,
      HOST: "127.0.0.1",
      // Nothing but deliveries is measured.
      RECONCILE_EVERY_MINUTES: "0",
    },
    port: await findFreePort(),
    // What goes wrong in a baseline is counted; they print a page about each.
    quiet: name !== "this",
  });
}
