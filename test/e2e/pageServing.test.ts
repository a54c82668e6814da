import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

/** Starting Postgres on a busy machine. */
const t = openForFile(() => openTestApp());

const assetsOf = (html: string) =>
  [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = ""]) => new URL(path, "http://x/").pathname);

test("the page needs no token, no inline code and no other origin, and its answer allows none of these", async () => {
  const res = await t.app.request("/");
  expect(res.status).toBe(200);
  expect(res.headers.get("content-type")).toBe("text/html;charset=utf-8");
  const policy = res.headers.get("content-security-policy") ?? "";
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) {
    expect(policy.split("; ")).toContain(part);
  }
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  expect(res.headers.get("x-content-type-options")).toBe("nosniff");
  expect(res.headers.get("referrer-policy")).toBe("no-referrer");
  const html = await res.text();
  expect(html).not.toMatch(/<script(?![^>]*src=)|<style|style=| on\w+=/);
  const assets = assetsOf(html);
  expect(new Set(assets.map((path) => path.split(".").pop()))).toEqual(new Set(["css", "js", "svg"]));
  for (const path of assets) expect(path).toMatch(/^\/assets\/sync-page-\w+\.\w+$/);
});

test("its files are kept by browsers for good, the page itself is asked for anew, and neither is sent twice", async () => {
  const index = await t.app.request("/");
  expect(index.headers.get("cache-control")).toBe("no-cache");
  for (const path of ["/", ...assetsOf(await index.text())]) {
    const res = await t.app.request(path);
    expect(res.status).toBe(200);
    if (path !== "/") expect(res.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    const again = await t.app.request(path, { headers: { "if-none-match": res.headers.get("etag") ?? "" } });
    expect([again.status, (await again.bytes()).length]).toEqual([304, 0]);
    const zipped = await t.app.request(path, { headers: { "accept-encoding": "gzip, br" } });
    expect(zipped.headers.get("content-encoding")).toBe("gzip");
    expect(Buffer.from(Bun.gunzipSync(await zipped.arrayBuffer()))).toEqual(Buffer.from(await res.arrayBuffer()));
  }
});

test("all of it is sent in less than 40 KB", async () => {
  let bytes = 0;
  const headers = { "accept-encoding": "gzip" };
  const html = await (await t.app.request("/")).text();
  for (const path of ["/", ...assetsOf(html)]) bytes += (await (await t.app.request(path, { headers })).bytes()).length;
  expect(bytes).toBeLessThan(40 * 1024);
});

test("every other path stays a 404 in JSON, and a method the page does not know is 405", async () => {
  for (const path of ["/assets/", "/assets/x.js", "/assets/sync-page-0.js", "/index.html", "/assets/../package.json"]) {
    const res = await t.app.request(path);
    expect([res.status, await res.json()]).toMatchObject([404, { error: { code: "not_found" } }]);
  }
  const posted = await t.app.request("/", { method: "POST" });
  expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  const head = await t.app.request("/", { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("mounted in another app the page is there, and the other app's assets stay its own", async () => {
  const host = new Hono();
  host.route("/", t.app);
  host.get("/assets/:name", (c) => c.text("the host's"));
  const html = await (await host.request("/")).text();
  for (const path of assetsOf(html)) expect((await host.request(path)).headers.get("etag")).toBeString();
  expect(await (await host.request("/assets/app.js")).text()).toBe("the host's");
});

test("a program that was bundled ahead of time carries the page", async () => {
  const folder = await mkdtemp(join(tmpdir(), "page-"));
  try {
    const built = await Bun.build({
      entrypoints: [join(import.meta.dir, "../../src/http/operatorPage.ts")],
      outdir: folder,
      target: "bun",
      minify: true,
    });
    expect(built.success).toBe(true);
    // Run from elsewhere, where neither sources nor dependencies are.
    const program = `
      const { createOperatorPage } = await import(${JSON.stringify(join(folder, "operatorPage.js"))});
      const page = createOperatorPage();
      const html = await (await page.getIndex(new Request("http://x/"))).text();
      for (const [, path] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
        const res = await page.findAsset(new Request(new URL(path, "http://x")));
        console.log(path.split(".").pop(), res?.status, (await res?.text())?.length > 200);
      }`;
    const run = Bun.spawn([process.execPath, "--no-install", "-e", program], { cwd: tmpdir(), stdout: "pipe" });
    const lines = (await new Response(run.stdout).text()).trim().split("\n");
    expect(lines.sort()).toEqual(["css 200 true", "js 200 true", "svg 200 true"]);
    expect(await run.exited).toBe(0);
  } finally {
    await rm(folder, { recursive: true });
  }
});
