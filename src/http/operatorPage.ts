import { basename, extname, resolve } from "node:path";
import bundle from "../page/index.html";

/** A file of the operator page as it is sent. */
interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
}

export interface OperatorPage {
  /** The HTML; its scripts and styles come from `/assets/…`. Needs no token: all it shows comes from tRPC. */
  readonly getIndex: (req: Request) => Promise<Response>;
  /** Null: none of the page's. Names carry a hash of their content. */
  readonly findAsset: (req: Request) => Promise<Response | null>;
}

/** Only names like the page's own are looked up: a program this app is mounted in may have assets too. */
const assetPath = /^\/assets\/sync-page-[a-z0-9]+\.(?:js|css|svg)$/;

/**
 * Nothing of another origin, nothing inline, and no text becomes markup: a name that holds a script stays a name.
 * https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const safetyHeaders = {
  "content-security-policy": contentSecurityPolicy,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * The operator page. Out of the sources it is bundled when it is first asked for, so that starting costs nothing; a
 * single-file build (`bun build --compile`) carries it ready made. Kept in memory from then on.
 */
export function createOperatorPage(): OperatorPage {
  let files: Promise<ReadonlyMap<string, PageFile>> | undefined;

  function getFiles(): Promise<ReadonlyMap<string, PageFile>> {
    files ??= loadFiles().catch((error: unknown) => {
      files = undefined;
      throw error;
    });
    return files;
  }

  return {
    getIndex: async (req) => {
      const index = (await getFiles()).get("/");
      if (!index) throw new Error("The operator page's bundle holds no HTML");
      return toResponse(req, index);
    },
    findAsset: async (req) => {
      const { pathname } = new URL(req.url);
      const file = assetPath.test(pathname) ? (await getFiles()).get(pathname) : undefined;
      return file ? toResponse(req, file) : null;
    },
  };
}

interface BuiltFile {
  readonly name: string;
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

async function loadFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const built = await (bundle.files ? readBuiltFiles(bundle.files) : buildFiles(bundle.index));
  const files = new Map<string, PageFile>();
  const paths = new Map<string, string>();
  for (const { name, type, body } of built) {
    if (extname(name) === ".html") continue;
    const path = `/assets/sync-page-${toHash(body)}${extname(name)}`;
    paths.set(name, path);
    files.set(path, toPageFile(body, type, "public, max-age=31536000, immutable"));
  }
  const html = built.find(({ name }) => extname(name) === ".html");
  if (html) {
    let text = new TextDecoder().decode(html.body);
    for (const [name, path] of paths) text = text.replaceAll(`./${name}`, path).replaceAll(`"/${name}`, `"${path}`);
    files.set("/", toPageFile(new TextEncoder().encode(text), html.type, "no-cache"));
  }
  return files;
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

/** About 50 ms, once. */
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

function toPageFile(body: Uint8Array<ArrayBuffer>, type: string, cacheControl: string): PageFile {
  const etag = `W/"${toHash(body)}"`;
  return {
    body,
    gzip: Bun.gzipSync(body, { level: 9 }),
    etag,
    headers: { ...safetyHeaders, "content-type": type, "cache-control": cacheControl, vary: "accept-encoding", etag },
  };
}

function toResponse(req: Request, { body, gzip, headers, etag }: PageFile): Response {
  if (req.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  const takesGzip = /\bgzip\b/.test(req.headers.get("accept-encoding") ?? "");
  return takesGzip
    ? new Response(gzip, { headers: { ...headers, "content-encoding": "gzip" } })
    : new Response(body, { headers });
}

function toHash(body: Uint8Array): string {
  return Bun.hash(body).toString(36);
}
