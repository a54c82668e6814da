import { expect, test } from "bun:test";
import type { ContractApp } from "./testApp.ts";

export const assetsOf = (html: string) =>
  [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = ""]) => new URL(path, "http://x/").pathname);

/** What the contract says of the operator page's files, whatever serves them. */
export function declarePageCases(t: Pick<ContractApp, "app">): void {
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

  test("assets are immutable in the browser's cache, the page is revalidated, and neither is sent twice", async () => {
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

  test("page and assets together are under 40 KB compressed", async () => {
    let bytes = 0;
    const headers = { "accept-encoding": "gzip" };
    const html = await (await t.app.request("/")).text();
    for (const path of ["/", ...assetsOf(html)])
      bytes += (await (await t.app.request(path, { headers })).bytes()).length;
    expect(bytes).toBeLessThan(40 * 1024);
  });

  test("every other path stays a 404 in JSON, and a method the page does not know is 405", async () => {
    for (const path of [
      "/assets/",
      "/assets/x.js",
      "/assets/sync-page-0.js",
      "/index.html",
      "/assets/../package.json",
    ]) {
      const res = await t.app.request(path);
      expect([res.status, await res.json()]).toMatchObject([404, { error: { code: "not_found" } }]);
    }
    const posted = await t.app.request("/", { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    const head = await t.app.request("/", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });
}
