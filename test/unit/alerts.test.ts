import { expect, test } from "bun:test";
import { join } from "node:path";
import { alarmCodes } from "../../src/domain/alarm.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";

const root = join(import.meta.dir, "../..");
const rulesFile = join(root, "src/telemetry/alerts.yml");
const casesFile = join(root, "test/fixtures/alerts.promtool.yml");
const rules = await Bun.file(rulesFile).text();
const dashboard = await Bun.file(join(root, "src/telemetry/dashboard.json")).text();
/** What a process shows that has just started. */
const { text: exposition } = await createMetrics().read();

/** @throws Error that says what to install, if there is no promtool */
async function promtool(args: readonly string[], stdin = new Blob()): Promise<{ code: number; said: string }> {
  const program = Bun.which("promtool");
  if (program === null)
    throw new Error("The tests of the alerts need promtool: apt-get install prometheus, or brew install prometheus");
  const child = Bun.spawn([program, ...args], { stdio: [stdin, "pipe", "pipe"] });
  const said = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, said: said.join("") };
}

test("Prometheus accepts the alerting rules, and each alert is raised by its own condition only", async () => {
  const checked = await promtool(["check", "rules", "--lint-fatal", rulesFile]);
  expect(checked, checked.said).toMatchObject({ code: 0 });
  const tested = await promtool(["test", "rules", casesFile]);
  expect(tested, tested.said).toMatchObject({ code: 0 });
  const cases = await Bun.file(casesFile).text();
  for (const [, name] of rules.matchAll(/alert: (\w+)/g)) expect(cases).toContain(String(name));
});

test("Prometheus can parse every query of the dashboard", async () => {
  const queries = [...dashboard.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(([, text]) =>
    String(JSON.parse(text ?? "")),
  );
  expect(queries.length).toBeGreaterThan(15);
  // JSON is YAML: each query as a recording rule.
  const recorded = queries.map((expr, place) => ({
    record: `q${place}`,
    expr: expr.replaceAll("$__rate_interval", "1m"),
  }));
  const file = new Blob([JSON.stringify({ groups: [{ name: "dashboard", rules: recorded }] })]);
  const checked = await promtool(["check", "rules", "/dev/stdin"], file);
  expect(checked, checked.said).toMatchObject({ code: 0 });
});

test("alerts and dashboard use only metrics of /metrics, and the dashboard shows all of them", () => {
  const typed = new Set(exposition.match(/(?<=^# TYPE )\w+/gm));
  const namesIn = (text: string) =>
    [...new Set(text.match(/\b(?:clerk_sync|process|nodejs)_\w+/g))].map((name) =>
      typed.has(name) ? name : name.replace(/_(?:bucket|count|sum)$/, ""),
    );
  const used = namesIn(dashboard);
  for (const name of [...namesIn(rules), ...used]) expect(typed).toContain(name);
  for (const name of typed) if (name.startsWith("clerk_sync_")) expect(used).toContain(name);
});

test("every alarm of the server has a rule: by its code, or by the rate of what it is about", () => {
  const byRate = ["clock", "lag"];
  const byCode = [...rules.matchAll(/clerk_sync_alarm\{code=~"([^"]+)"/g)].flatMap(([, codes = ""]) =>
    codes.split("|"),
  );
  expect(new Set([...byCode, ...byRate])).toEqual(new Set<string>(alarmCodes));
});

test("every counter whose first increase is an alert starts at 0 with the process", () => {
  const counted = [...rules.matchAll(/increase\((\w+)\{([^}]*)\}/g)];
  expect(counted.length).toBeGreaterThan(4);
  const series = exposition.split("\n").filter((line) => line.endsWith(" 0"));
  for (const [, name, labels = ""] of counted) {
    const isThere = (line: string) =>
      line.startsWith(`${name}{`) && labels.split(",").every((label) => line.includes(label));
    expect(series.filter(isThere), `${name}{${labels}}`).not.toBeEmpty();
  }
});
