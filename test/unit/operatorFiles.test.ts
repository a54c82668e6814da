import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { examples } from "../../src/cli/examples.ts";
import { parseConfig } from "../../src/config.ts";
import { configSchema } from "../../src/configSchema.ts";
import { version } from "../../src/version.ts";
import { startCli } from "../support/cli.ts";

const root = join(import.meta.dir, "../..");
const read = (path: string) => Bun.file(join(root, path)).text();

test("every place that names a version of Bun names the one that the tests run on", async () => {
  const places = [".ci/run", ".Dockerfile", ".github/workflows/release.yml", ".github/CONTRIBUTING.md", "README.md"];
  for (const place of places) {
    const named = (await read(place)).match(/(?<=bun[@:])\d+\.\d+\.\d+/g) ?? [];
    expect([place, ...new Set(named)]).toEqual([place, Bun.version]);
  }
});

test("every place that names the program's version names that of package.json", async () => {
  const places = {
    ".github/deploy/kubernetes.yaml": /clerk-neon-sync:([\w.-]+)/g,
    ".github/CHANGELOG.md": /^## (\S+)/m,
  };
  for (const [place, pattern] of Object.entries(places)) {
    const named = Array.from((await read(place)).match(pattern) ?? [], (text) => text.replace(/^.*[: ]/, ""));
    expect([place, ...new Set(named)]).toEqual([place, version]);
  }
});

test("every file and folder that the documents name is there", async () => {
  for (const place of ["README.md", ".github/CONTRIBUTING.md", "src/DECISIONS.md"]) {
    const named = (await read(place)).match(/(?<=`)(?:src|test|drizzle|\.github|\.ci)\/[\w./-]*\w(?=`)/g) ?? [];
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  }
});

test("every source file that the decisions and their reading order name exists, by path or by name", async () => {
  const files = [...new Bun.Glob("{src,test}/**/*.{ts,sql}").scanSync(root)];
  const named = (await read("src/DECISIONS.md")).match(/(?<=`)[\w./-]+\.(?:ts|sql)(?=`)/g) ?? [];
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((name) => !files.some((file) => `/${file}`.endsWith(`/${name}`)))).toEqual([]);
});

test(".env.example has every variable that the configuration reads, with values that it takes, and no other", async () => {
  const lines = [...(await read(".env.example")).matchAll(/^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$/gm)];
  const given = lines.map(([, name = "", value = ""]) => [name, value] as const);
  expect(given.map(([name]) => name).sort((a, b) => (a < b ? -1 : 1))).toEqual(
    Object.keys(configSchema.shape).sort((a, b) => (a < b ? -1 : 1)),
  );
  // Every line in use, as after taking out the number signs.
  const config = parseConfig(Object.fromEntries(given));
  const defaults: Readonly<Record<string, unknown>> = { ...parseConfig({}) };
  const others = Object.entries(config).filter(([name, value]) => !Bun.deepEquals(value, defaults[name]));
  // Those without a default; of the rest the line shows it.
  expect(others.map(([name]) => name)).toEqual([
    "clerkAuthorizedParties",
    "corsOrigins",
    "defaultTurma",
    "otelExporterOtlpEndpoint",
  ]);
});

test("every command has an example in its help, and no example is of a command that is not there", async () => {
  const help = async (...command: string[]) => (await startCli([...command, "--help"], {}).ended).stdout;
  const [all, one] = await Promise.all([help(), help("resync")]);
  const commands = [...(all.split("Commands:")[1] ?? "").matchAll(/^ {2}([a-z][\w-]*) /gm)].map(([, name]) => name);
  expect(new Set(commands)).toEqual(new Set([...Object.keys(examples), "help"]));
  expect(one).toEndWith(
    "Examples:\n  clerk-neon-sync resync user_2abc --dry-run\n  clerk-neon-sync resync user_2abc\n",
  );
});
