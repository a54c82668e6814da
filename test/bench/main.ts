// `bun run bench`: this program against what people write today, in turns on one machine; prints a Markdown table and
// draws an SVG. Exits 1 if something answered 200 is not in this program's tables, or not as Clerk says, if a figure is
// below its floor, or if another program on the database delays deliveries by more than is promised.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { comparedStored, runComparison, type Plan } from "./lib/comparison.ts";
import { createDatabase } from "./lib/databases.ts";
import { runEndurance } from "./lib/endurance.ts";
import { isBelowFloor, toGoalFigures } from "./lib/floors.ts";
import { countMistakes } from "./lib/history.ts";
import { openBench } from "./lib/openBench.ts";
import { toPlot } from "./lib/plot.ts";
import { labels, toEndurance, toMarkdown, toSummary } from "./lib/report.ts";

/** Three minutes and twenty, on two cores. */
const plans = {
  quick: {
    stored: [0],
    roundTripsMs: [0, 20],
    atOnce: [1, 64],
    rounds: 2,
    durationMs: 1_000,
    startUps: 3,
    windows: 2,
    heldMs: 20_000,
  },
  normal: {
    stored: [0, 1_000_000],
    roundTripsMs: [0, 1, 5, 20],
    atOnce: [1, 16, 64, 256],
    rounds: 3,
    durationMs: 1_000,
    startUps: 5,
    windows: 8,
    heldMs: 150_000,
  },
} satisfies Record<string, Plan>;
const root = join(import.meta.dir, "..", "..");

const options = new Command("bench")
  .description("Deliveries per second and latency of this program and of the baselines")
  .option("--quick", "three minutes: a part of the matrix, to see whether something broke")
  .option("--endurance <minutes>", "only this program, under load for so long: its speed and memory", toMinutes)
  .option("--write", "write .github/BENCH.md with its plot, and four rows of it into README.md")
  .parse()
  .opts<{ quick?: true; endurance?: number; write?: true }>();
const plan: Plan = options.quick ? plans.quick : plans.normal;

const tools = await openBench((text) => console.error(text));
const { say } = tools;
try {
  if (options.endurance === undefined) await compare();
  else await endure(options.endurance);
} finally {
  await tools.close();
}

function toMinutes(text: string): number {
  if (Number(text) > 0) return Number(text);
  throw new InvalidArgumentError("Minutes are a number above 0.");
}

async function compare(): Promise<void> {
  const findings = await runComparison(tools, plan);
  const markdown = toMarkdown(findings);
  const svg = await toPlot(
    findings.cells.filter((cell) => cell.stored !== comparedStored),
    labels,
  );
  console.log(markdown);
  await publish({ markdown, summary: toSummary(findings.cells), svg });
  const history = findings.history.get("this");
  const wrongIn = (name: "this" | "pooled") => findings.wrong.get(name)?.wrong ?? 0;
  const mistakes = wrongIn("this") + wrongIn("pooled") + (history ? countMistakes(history) : 0);
  const missed = [
    ...toGoalFigures(findings)
      .filter(isBelowFloor)
      .map(({ name }) => name),
    ...findings.interference.filter(({ passed }) => !passed).map(({ what }) => what),
  ];
  for (const name of missed) say(`Missed: ${name}`);
  if (mistakes + missed.length > 0) process.exitCode = 1;
}

async function endure(minutes: number): Promise<void> {
  const database = await createDatabase(tools.server, { name: "bench_endurance", tables: "this", stored: 0 });
  const endsAt = performance.now() + minutes * 60_000;
  const { samples, check } = await runEndurance(tools, database, (before) => {
    const last = before.at(-1);
    // At least one measurement, however short the time.
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

async function publish(parts: { markdown: string; summary: string; svg: string }): Promise<void> {
  const folder = join(root, options.write ? ".github" : ".tmp");
  await mkdir(folder, { recursive: true });
  await Bun.write(join(folder, "bench.svg"), parts.svg);
  const command = `bun run bench${options.quick ? " --quick" : ""} --write`;
  const head = `# Bench\n\nWritten by \`${command}\`.\n\n![Deliveries per second by distance](bench.svg)\n\n`;
  await Bun.write(join(folder, "BENCH.md"), `${head}${parts.markdown}\n`);
  say(`The figures are in ${join(folder, "BENCH.md")}`);
  if (!options.write) return;
  const readme = Bun.file(join(root, "README.md"));
  const text = await readme.text();
  const marked = /(<!-- bench:start -->\n)[^]*?(<!-- bench:end -->)/;
  if (!marked.test(text)) throw new Error("README.md has no <!-- bench:start --> and <!-- bench:end -->");
  await readme.write(
    text.replace(marked, (_match, start: string, end: string) => `${start}\n${parts.summary}\n\n${end}`),
  );
}
