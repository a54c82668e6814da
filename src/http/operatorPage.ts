import { createHash } from "node:crypto";
import { extname } from "node:path";
import { gzipSync } from "node:zlib";
import { loadPageFiles } from "./pageFiles.ts";
import { toParseableUrl } from "./requestUrl.ts";

/** A file of the operator page as it is sent. */
interface PageFile {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
}

/** Answers the requests for the operator page. */
export interface OperatorPage {
  /** The HTML; its scripts and styles come from `/assets/…`. It needs no token, because all data on it comes from tRPC. */
  readonly getIndex: (req: Request) => Promise<Response>;
  /** Null: not a file of the page. Names carry a hash of their content. */
  readonly findAsset: (req: Request) => Promise<Response | null>;
}

/** Only names of the page's own form are looked up: the host app may have assets too. */
const assetPath = /\/assets\/(sync-page-[a-z0-9]+\.(?:js|css|svg))$/;
/** The folder of the files in the HTML; replaced by a path relative to the request's. */
const assetsFolder = "./assets/";

/**
 * Forbids inline code and anything from other origins, and keeps scripts from turning text (a user's name) into HTML.
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
  "cross-origin-opener-policy": "same-origin",
};

/** Loads the page at the first request and keeps it in memory. */
export function createOperatorPage(): OperatorPage {
  let files: Promise<PageFiles> | undefined;

  function getFiles(): Promise<PageFiles> {
    files ??= loadFiles().catch((error: unknown) => {
      files = undefined;
      throw error;
    });
    return files;
  }

  return {
    getIndex: async (req) => {
      const { html } = await getFiles();
      // Paths are relative, so that any base path works; `/base` and `/base/` resolve relative paths differently.
      const folder = toPath(req).split("/").pop() ?? "";
      const text = folder === "" ? html : html.replaceAll(assetsFolder, `./${folder}/assets/`);
      return toResponse(req, toPageFile(new TextEncoder().encode(text), "text/html;charset=utf-8", "no-cache"));
    },
    findAsset: async (req) => {
      const name = assetPath.exec(toPath(req))?.[1];
      const file = name === undefined ? undefined : (await getFiles()).assets.get(name);
      return file ? toResponse(req, file) : null;
    },
  };
}

interface PageFiles {
  readonly html: string;
  /** By name, which carries a hash of the content. */
  readonly assets: ReadonlyMap<string, PageFile>;
}

async function loadFiles(): Promise<PageFiles> {
  const built = await loadPageFiles();
  const assets = new Map<string, PageFile>();
  const index = built.find(({ name }) => extname(name) === ".html");
  if (!index) throw new Error("The operator page's bundle holds no HTML");
  const assetNames = new Map<string, string>();
  for (const { name, type, body } of built) {
    if (extname(name) === ".html") continue;
    const assetName = `sync-page-${toHash(body)}${extname(name)}`;
    assetNames.set(name, assetName);
    assets.set(assetName, toPageFile(body, type, "public, max-age=31536000, immutable"));
  }
  // The bundler's HTML refers to the assets as `./name`, `/name` or `../../name`, depending on where it was called.
  const html = new TextDecoder().decode(index.body).replaceAll(/"[./]*([\w.-]+)"/g, (reference, name: string) => {
    const assetName = assetNames.get(name);
    return assetName === undefined ? reference : `"${assetsFolder}${assetName}"`;
  });
  return { html, assets };
}

function toPageFile(body: Uint8Array<ArrayBuffer>, type: string, cacheControl: string): PageFile {
  const etag = `W/"${toHash(body)}"`;
  return {
    body,
    gzip: gzipSync(body, { level: 9 }),
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

function toPath(req: Request): string {
  return new URL(toParseableUrl(req.url)).pathname;
}

function toHash(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 16);
}
