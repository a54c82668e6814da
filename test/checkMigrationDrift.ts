// `bun run check`: fails when `src/store/schema.ts` says something that no migration in `drizzle/` does.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const root = join(import.meta.dir, "..");
const draft = mkdtempSync(join(tmpdir(), "clerk-neon-sync-drift-"));
try {
  cpSync(join(root, "drizzle"), draft, { recursive: true });
  const args = ["--dialect=postgresql", "--schema=./src/store/schema.ts", `--out=${relative(root, draft)}`];
  const drizzleKit = join(root, "node_modules", "drizzle-kit", "bin.cjs");
  const result = spawnSync(process.execPath, [drizzleKit, "generate", ...args], { cwd: root, encoding: "utf8" });
  const added = readdirSync(draft).filter((name) => !readdirSync(join(root, "drizzle")).includes(name));
  if (added.length > 0) throw new Error(`The schema has changed without a migration; run \`bun run db:generate\`.`);
  // It ends with 0 also where it cannot compare the schema with the last snapshot.
  if (result.status !== 0 || !result.stdout.includes("No schema changes"))
    throw new Error(`drizzle-kit generate failed:\n${result.stdout}${result.stderr}`);
  console.log("The migrations say what the schema says.");
} finally {
  rmSync(draft, { recursive: true, force: true });
}
