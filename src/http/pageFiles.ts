import { basename, resolve } from "node:path";
import bundle from "../page/index.html";

/** A file of the operator page as the bundler made it. */
export interface BuiltFile {
  readonly name: string;
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/**
 * The operator page's files: from the single-file build (`bun build --compile`), else bundled now. The build of the Neon
 * Function replaces this module, the only one that needs Bun for the page, with its result.
 */
export function loadPageFiles(): Promise<readonly BuiltFile[]> {
  return bundle.files ? readBuiltFiles(bundle.files) : buildFiles(bundle.index);
}

function readBuiltFiles(files: NonNullable<typeof bundle.files>): Promise<BuiltFile[]> {
  return Promise.all(
    files.map(async ({ path, headers }) => ({
      name: basename(path),
      type: headers["content-type"],
      // Relative to the program in a plain bundle, absolute in a single file.
      body: await Bun.file(resolve(import.meta.dir, path)).bytes(),
    })),
  );
}

/** Takes about 50 ms. */
async function buildFiles(entrypoint: string): Promise<BuiltFile[]> {
  const { outputs } = await Bun.build({
    entrypoints: [entrypoint],
    target: "browser",
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return Promise.all(
    outputs.map(async (output) => ({
      name: basename(output.path),
      type: output.type,
      body: new Uint8Array(await output.arrayBuffer()),
    })),
  );
}
