import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { assetsOf, declarePageCases } from "../support/pageCases.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

/** Starting Postgres on a busy machine. */
const t = openForFile(() => openTestApp());

declarePageCases(t);

test("mounted in another app the page is served, and the other app's assets stay its own", async () => {
  const host = new Hono();
  host.route("/", t.app);
  host.get("/assets/:name", (c) => c.text("the host's"));
  const html = await (await host.request("/")).text();
  for (const path of assetsOf(html)) expect((await host.request(path)).headers.get("etag")).toBeString();
  expect(await (await host.request("/assets/app.js")).text()).toBe("the host's");
});

test("a program bundled ahead of time contains the page", async () => {
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
