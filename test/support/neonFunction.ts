import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNode24 } from "./node24.ts";
import { startServerProcess, type ServerProcess } from "./serverProcess.ts";
import type { ContractApp } from "./testApp.ts";
import { openTestDatabase, type TestDatabase } from "./testDatabase.ts";

const root = join(import.meta.dir, "../..");

/** The Neon Function as it is deployed, in a folder away from the repository. */
export interface BuiltFunction {
  /** What the build made. */
  readonly folder: string;
  /** On Node 24, behind Node's HTTP server, with a database of its own unless one is given. */
  readonly open: (options?: { databaseUrl?: string; env?: Readonly<Record<string, string>> }) => Promise<FunctionApp>;
  readonly close: () => void;
}

export interface FunctionApp extends ContractApp {
  readonly db: TestDatabase;
  readonly server: ServerProcess;
  readonly close: () => Promise<void>;
}

export async function buildNeonFunction(): Promise<BuiltFunction> {
  const parent = mkdtempSync(join(tmpdir(), "clerk-neon-sync-function-"));
  const folder = join(parent, "neon-function");
  const built = spawnSync(process.execPath, ["src/tools/buildFunction.ts", folder], { cwd: root, encoding: "utf8" });
  if (built.status !== 0) throw new Error(`The build failed: ${built.stdout}${built.stderr}`);
  const entrypoints = [join(import.meta.dir, "functionHost.ts")];
  const host = await Bun.build({ entrypoints, target: "node", outdir: parent, naming: "host.mjs" });
  if (!host.success) throw new AggregateError(host.logs, "The function's host cannot be bundled");
  const executable = { path: findNode24(), args: ["host.mjs"], cwd: parent };
  return {
    folder,
    open: async ({ databaseUrl, env = {} } = {}) => {
      const db = await openTestDatabase();
      const server = await startServerProcess({ databaseUrl: databaseUrl ?? db.url, env, executable });
      const request = (path: string, init?: RequestInit) =>
        fetch(`${server.url}${path.replace(/^http:\/\/sync\.test/, "")}`, { ...init, decompress: false });
      return {
        app: { request },
        db,
        sql: db.sql,
        server,
        deliver: server.deliver,
        close: async () => {
          await server.close();
          await db.close();
        },
      };
    },
    close: () => rmSync(parent, { recursive: true, force: true }),
  };
}
