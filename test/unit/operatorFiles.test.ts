import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");
const read = (path: string) => Bun.file(join(root, path)).text();

test("every place that names a version of Bun names the one that the tests run on", async () => {
  const places = [".ci/run", ".Dockerfile", ".github/workflows/release.yml", ".github/CONTRIBUTING.md", "README.md"];
  for (const place of places) {
    const named = (await read(place)).match(/(?<=bun[@:])\d+\.\d+\.\d+/g) ?? [];
    expect([place, ...new Set(named)]).toEqual([place, Bun.version]);
  }
});

test("every file and folder that the documents name is there", async () => {
  for (const place of ["README.md", ".github/CONTRIBUTING.md", "src/DECISIONS.md"]) {
    const named = (await read(place)).match(/(?<=`)(?:src|test|drizzle|\.github|\.ci)\/[\w./-]*\w(?=`)/g) ?? [];
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  }
});
