// `bun run build:function [folder]`: the program as a Neon Function. One file for plain Node with the page inside, which
// needs no node_modules where it runs, and beside it the files that declare it to Neon.
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadPageFiles } from "../http/pageFiles.ts";

const outdir = process.argv[2] ?? join("dist", "neon-function");
const pageFiles = (await loadPageFiles()).map((file) => ({ ...file, body: Buffer.from(file.body).toString("base64") }));
const pageModule = `
const files = ${JSON.stringify(pageFiles)};
export const loadPageFiles = async () => files.map((file) => ({ ...file, body: Buffer.from(file.body, "base64") }));`;

const result = await Bun.build({
  entrypoints: [join(import.meta.dir, "../function.ts")],
  outdir,
  naming: "index.mjs",
  target: "node",
  format: "esm",
  // Otherwise `__dirname` would be a path of this machine. Only pino's worker threads need it, and none is started.
  define: { __dirname: '"."' },
  // Identifiers are kept, so that stacks in the log are readable.
  minify: { whitespace: true, syntax: true },
  plugins: [
    {
      name: "page made at build time",
      setup: (build) =>
        void build.onLoad({ filter: /\/http\/pageFiles\.ts$/ }, () => ({ contents: pageModule, loader: "js" })),
    },
  ],
  throw: false,
});
for (const message of result.logs) console.error(message);
if (!result.success) process.exit(1);
mkdirSync(outdir, { recursive: true });
for (const name of ["neon.ts", "README.md"])
  copyFileSync(join(import.meta.dir, "neonFunction", name), join(outdir, name));
console.log(outdir);
