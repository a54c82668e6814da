// `bun run bench`: this program against what people write today, in turns on one machine; prints a Markdown table and
// draws an SVG. Exits 1 if something answered 200 is not in this program's tables, or not as Clerk says.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { TableCheck } from "./lib/checkTables.ts";
import { buildArtefact, startContestant, type ContestantName } from "./lib/contestants.ts";
import { createDatabase, openBenchServer, type BenchDatabase } from "./lib/databases.ts";
import { runEndurance } from "./lib/endurance.ts";
import { countMistakes, runHistory, type HistoryFindings } from "./lib/history.ts";
import { startIpcChild } from "./lib/ipcChild.ts";
import { toPlot } from "./lib/plot.ts";
import { labels, toEndurance, toMarkdown, type Findings } from "./lib/report.ts";
import { runStage, type Cell, type StageDeps } from "./lib/stage.ts";
import { measureStartUp } from "./lib/startUp.ts";
import type { OpenLink } from "./link.ts";
import type { LoadRequest, LoadResult } from "./loader.ts";

interface Plan {
  readonly stored: readonly number[];
  readonly roundTripsMs: readonly number[];
  readonly atOnce: readonly number[];
  readonly rounds: number;
  readonly durationMs: number;
  readonly startUps: number;
  readonly spells: number;
}

const million = 1_000_000;
/** A minute and a quarter of an hour, on two cores. */
const plans = {
  quick: { stored: [0], roundTripsMs: [0, 20], atOnce: [1, 64], rounds: 2, durationMs: 1_000, startUps: 3, spells: 2 },
  normal: {
    stored: [0, million],
    roundTripsMs: [0, 1, 5, 20],
    atOnce: [1, 16, 64, 256],
    rounds: 3,
    durationMs: 1_000,
    startUps: 5,
    spells: 8,
  },
} satisfies Record<string, Plan>;
/** A database that fits into memory, to hold the million against. */
const comparedStored = 20_000;

const rivals: readonly ContestantName[] = ["B1", "B3", "this"];
const root = join(import.meta.dir, "..", "..");
const say = (text: string) => console.error(text);

const options = new Command("bench")
  .description("Deliveries per second and latency of this program and of the baselines")
  .option("--quick", "a minute: a part of the matrix, to see whether something broke")
  .option("--endurance <minutes>", "only this program, under load for so long: its speed and memory", toMinutes)
  .option("--write", "write the table into README.md and the plot to .github/bench.svg")
  .parse()
  .opts<{ quick?: true; endurance?: number; write?: true }>();
const plan: Plan = options.quick ? plans.quick : plans.normal;

const server = await openBenchServer();
const link = await startIpcChild<OpenLink, number>("link.ts");
const loader = await startIpcChild<LoadRequest, LoadResult>("loader.ts");
try {
  const deps = { server, link, loader, postmasterPid: server.pid, say };
  if (options.endurance === undefined) await compare(deps);
  else await endure(deps, options.endurance);
} finally {
  await loader.stop();
  await link.stop();
  await server.stop();
}

function toMinutes(text: string): number {
  if (Number(text) > 0) return Number(text);
  throw new InvalidArgumentError("Minutes are a number above 0.");
}

async function compare(deps: Omit<StageDeps, "databases">): Promise<void> {
  const findings = await run(deps);
  const markdown = toMarkdown(findings);
  const svg = await toPlot(
    findings.cells.filter((cell) => cell.stored !== comparedStored),
    labels,
  );
  console.log(markdown);
  await publish(markdown, svg);
  const history = findings.history.get("this");
  if ((findings.wrong.get("this")?.wrong ?? 0) + (history ? countMistakes(history) : 0) > 0) process.exitCode = 1;
}

async function endure(deps: Omit<StageDeps, "databases">, minutes: number): Promise<void> {
  const database = await createDatabase(server, { name: "bench_endurance", tables: "this", stored: 0 });
  const endsAt = performance.now() + minutes * 60_000;
  const { samples, check } = await runEndurance(deps, database, (before) => {
    const last = before.at(-1);
    // However short the time, nothing measured would be nothing checked.
    if (!last) return true;
    const memory = Math.round((last.memoryBytes ?? NaN) / 2 ** 20);
    say(`${before.length}: ${Math.round(last.perSecond)} /s, p99 ${last.p99Ms.toFixed(1)} ms, ${memory} MiB`);
    return performance.now() < endsAt;
  });
  console.log(toEndurance(samples));
  console.log(
    `- Tables after the load: ${check.wrong} of ${check.users} users answered 200 are not as they should be.`,
  );
  if (check.wrong > 0) process.exitCode = 1;
}

async function run(deps: Omit<StageDeps, "databases">): Promise<Findings> {
  const cells: Cell[] = [];
  const wrong = new Map<ContestantName, TableCheck>();
  const stage = async (
    stored: number,
    roundTripMs: number,
    databases: Map<ContestantName, BenchDatabase | undefined>,
  ) => {
    const rest = stored === comparedStored ? { ...plan, atOnce: [64] } : plan;
    const result = await runStage({ ...deps, databases }, { ...rest, stored, roundTripMs });
    cells.push(...result.cells);
    for (const [name, check] of result.wrong) addCheck(wrong, name, check);
  };
  for (const stored of plan.stored) {
    let databases = await openDatabases(rivals, stored);
    for (const roundTripMs of plan.roundTripsMs) {
      const none = stored === 0 && roundTripMs === 0 ? ([["null", undefined]] as const) : [];
      await stage(stored, roundTripMs, new Map([...databases, ...none]));
      // Empty means empty, also at the next distance.
      if (stored === 0) databases = await reopen(databases);
    }
    if (stored === million) await stage(comparedStored, 0, await openDatabases(["this"], comparedStored));
    await dropDatabases(databases);
  }
  const databases = await openDatabases(rivals, 0);
  const history = await runHistories(databases);
  buildArtefact();
  const artefacts = await openDatabases(["artefact"], 0);
  const startUps = await measureStartUp(new Map([...databases, ...artefacts]), plan.startUps);
  await dropDatabases(artefacts);
  const fresh = await reopen(databases);
  const mine = fresh.get("this");
  const endurance = mine ? await runEndurance(deps, mine, (samples) => samples.length < plan.spells) : undefined;
  if (endurance) addCheck(wrong, "this", endurance.check);
  return { cells, wrong, history, startUps, endurance: endurance?.samples ?? [], bunVersion: Bun.version };
}

function addCheck(wrong: Map<ContestantName, TableCheck>, name: ContestantName, check: TableCheck): void {
  const before = wrong.get(name) ?? { users: 0, wrong: 0 };
  wrong.set(name, { users: before.users + check.users, wrong: before.wrong + check.wrong });
}

async function openDatabases(
  names: readonly ContestantName[],
  stored: number,
): Promise<Map<ContestantName, BenchDatabase>> {
  const databases = new Map<ContestantName, BenchDatabase>();
  for (const name of names) {
    say(`Making the database of ${name} with ${stored} users`);
    const tables = name === "this" || name === "artefact" ? "this" : "baseline";
    databases.set(
      name,
      await createDatabase(server, { name: `bench_${name.toLowerCase()}_${stored}`, tables, stored }),
    );
  }
  return databases;
}

async function dropDatabases(databases: ReadonlyMap<ContestantName, BenchDatabase>): Promise<void> {
  for (const { name } of databases.values()) await server.dropDatabase(name);
}

async function reopen(databases: ReadonlyMap<ContestantName, BenchDatabase>) {
  await dropDatabases(databases);
  return openDatabases([...databases.keys()], 0);
}

async function runHistories(databases: ReadonlyMap<ContestantName, BenchDatabase>) {
  const history = new Map<ContestantName, HistoryFindings>();
  for (const [name, database] of databases) {
    const contestant = await startContestant(name, database.url);
    try {
      history.set(name, await runHistory(database, contestant.url));
    } finally {
      await contestant.stop();
    }
  }
  return history;
}

async function publish(markdown: string, svg: string): Promise<void> {
  const plot = options.write ? join(root, ".github", "bench.svg") : join(root, ".tmp", "bench.svg");
  await mkdir(join(plot, ".."), { recursive: true });
  await Bun.write(plot, svg);
  say(`The plot is in ${plot}`);
  if (!options.write) return;
  const readme = Bun.file(join(root, "README.md"));
  const text = await readme.text();
  const marked = /(<!-- bench:start -->\n)[^]*?(<!-- bench:end -->)/;
  if (!marked.test(text)) throw new Error("README.md has no <!-- bench:start --> and <!-- bench:end -->");
  const part = `\n![Deliveries per second by distance to the database](.github/bench.svg)\n\n${markdown}\n\n`;
  await readme.write(text.replace(marked, (_match, start: string, end: string) => start + part + end));
}
