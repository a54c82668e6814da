import { expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");
/** Words that hide who does what, or name a thing that has another name here. */
const banned =
  /\b(nobody|somebody|whoever|anybody|everybody|no one|gives? up|forgetful|patient|the road|nightly|fleet|profiles?)\b/i;
/** An account of Debian, and an OAuth scope. */
const allowed = /[`"]nobody[`"]|openid profile|email profile|userinfo\.profile/g;

async function findTexts(): Promise<string[]> {
  const found = await Promise.all(
    ["{src,test,.github}/**/*.{ts,tsx,sql,md,css,html,yml,json}", "{README.md,CHANGELOG.md,.env.example}"].map(
      (pattern) => Array.fromAsync(new Bun.Glob(pattern).scan({ cwd: root, dot: true })),
    ),
  );
  return found.flat().filter((path) => join(root, path) !== import.meta.path);
}

test("no text contains a banned word", async () => {
  const paths = await findTexts();
  expect(paths.length).toBeGreaterThan(300);
  const lines = await Promise.all(
    paths.map(async (path) =>
      (await Bun.file(join(root, path)).text())
        .split("\n")
        .flatMap((line, nth) =>
          banned.test(line.replaceAll(allowed, "")) ? [`${path}:${nth + 1}: ${line.trim()}`] : [],
        ),
    ),
  );
  expect(lines.flat()).toEqual([]);
});
