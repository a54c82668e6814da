import { cpus } from "node:os";
import type { TableCheck } from "./checkTables.ts";
import type { ContestantName } from "./contestants.ts";
import { serverSettings } from "./databases.ts";
import { windowMs } from "./endurance.ts";
import type { Measured } from "./floors.ts";
import type { HistoryFindings } from "./history.ts";
import type { Sample } from "./measure.ts";
import { toFloors, toInterference } from "./goalTables.ts";
import type { Interference } from "./interference.ts";
import { toNullShare, toPooledShare } from "./shareTables.ts";
import { findCell, median, middleOf, type Cell } from "./stage.ts";
import { round, toMiB, toMs, toTable } from "./table.ts";

export interface Findings extends Measured {
  /** Users answered 200 whose rows are missing or wrong, of how many. */
  readonly wrong: ReadonlyMap<ContestantName, TableCheck>;
  readonly history: ReadonlyMap<ContestantName, HistoryFindings>;
  readonly interference: readonly Interference[];
  readonly endurance: readonly Sample[];
  readonly bunVersion: string;
}

export const labels = {
  B1: "four statements (B1)",
  B3: "in a transaction (B3)",
  this: "this program",
  pooled: "this program through a pooler",
} as const;

/** Setup, figures and table checks. Every ratio is of one run. */
export function toMarkdown(findings: Findings): string {
  return [
    toPreamble(findings.bunVersion),
    "## Floors and goals",
    toFloors(findings),
    "## All figures",
    toThroughput(findings.cells),
    toNullShare(findings.cells),
    toPooledShare(findings.cells),
    "## Beside other programs on the database",
    toInterference(findings.interference),
    "## Histories out of order",
    toHistory(findings.history),
    "## Memory, start, tables",
    toRest(findings),
  ].join("\n\n");
}

/** Four rows for the README: the empty database beside the program and 20 ms away. */
export function toSummary(cells: readonly Cell[]): string {
  return toThroughput(
    cells.filter(
      ({ stored, roundTripMs, atOnce }) => stored === 0 && [0, 20].includes(roundTripMs) && [1, 64].includes(atOnce),
    ),
  );
}

function toPreamble(bunVersion: string): string {
  const settings = Object.entries(serverSettings).map(([name, value]) => `${name}=${value}`);
  return (
    `Bun ${bunVersion} on ${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}, shared by sender, server and ` +
    `Postgres 18 (fsync on, ${settings.join(", ")}). Deliveries of 2.5 KB, half of them new users, half changes. The ` +
    "servers take turns; each figure is the median of its rounds. Both baselines write the same rows, without ledger " +
    "and raw user, with Express, svix and drizzle over postgres.js on Bun."
  );
}

function toThroughput(cells: readonly Cell[]): string {
  const rows = cells
    .filter((cell) => cell.contestant === "this")
    .map((cell) => {
      const of = (contestant: ContestantName) => findCell(cells, { ...cell, contestant });
      const rate = (contestant: ContestantName) => middleOf(of(contestant), "perSecond");
      return [
        cell.stored.toLocaleString("en"),
        `${cell.roundTripMs} ms`,
        String(cell.atOnce),
        ...(["B1", "B3"] as const).map((name) => round(rate(name))),
        `**${round(rate("this"))}** ± ${spread(cell)} %`,
        Number.isNaN(rate("B1")) ? "–" : `${(rate("this") / rate("B1")).toFixed(1)} ×`,
        `${toMs(middleOf(of("B1"), "p50Ms"))} / ${toMs(middleOf(cell, "p50Ms"))}`,
        `${toMs(middleOf(of("B1"), "p99Ms"))} / ${toMs(middleOf(cell, "p99Ms"))}`,
        `${round(middleOf(cell, "serverCpuUs"))} + ${round(middleOf(cell, "postgresCpuUs"))}`,
        round(middleOf(cell, "walBytes")),
      ];
    });
  return toTable(
    [
      "users stored",
      "to the database",
      "at once",
      "B1 /s",
      "B3 /s",
      "this /s",
      "this : B1",
      "p50 ms, B1 / this",
      "p99 ms, B1 / this",
      "CPU µs per delivery, server + Postgres",
      "WAL bytes per delivery",
    ],
    rows,
  );
}

function toHistory(history: Findings["history"]): string {
  const first = [...history.values()][0];
  const rows = [...history].map(([name, found]) => [
    name === "null" || name === "artefact" ? name : labels[name],
    ...[
      found.outOfDate,
      found.backFromDeletion,
      found.missing,
      found.doubledMentorados,
      found.givenAway,
      found.refused,
    ].map(String),
  ]);
  return (
    `${first?.users ?? 0} users, whose ${first?.deliveries ?? 0} deliveries came twice and in any order, 16 at once, and ` +
    "again until they were answered 200. Users by what is wrong with them:\n\n" +
    toTable(
      [
        "",
        "out of date",
        "back from deletion",
        "missing",
        "two mentorados",
        "another person's mentorado",
        "answers ≠ 200",
      ],
      rows,
    )
  );
}

function toRest({ wrong, startUps, endurance, cells }: Findings): string {
  const size = (stored: number) =>
    cells.find(
      (cell) => cell.contestant === "this" && cell.stored === stored && cell.roundTripMs === 0 && cell.atOnce === 64,
    );
  const [small, large] = [size(20_000), size(1_000_000)];
  return [
    ...[...wrong].map(
      ([name, check]) =>
        `- Tables after the load, ${name}: ${check.wrong} of ${check.users} users answered 200 are not as they should be.`,
    ),
    ...startUps.map(
      ({ contestant, firstAnswerMs, idleMemoryBytes }) =>
        `- Start to first answer, ${contestant === "artefact" ? "this as one file" : contestant}: ${round(firstAnswerMs)} ms; resident then ${toMiB(idleMemoryBytes)} MiB.`,
    ),
    ...(endurance.length > 0 ? [toEndurance(endurance)] : []),
    ...(small && large
      ? [
          `- A million users stored against 20,000, 64 at once: ${ratio(large, small, "perSecond")} × the throughput, ` +
            `${ratio(large, small, "p50Ms")} × the p50.`,
        ]
      : []),
  ].join("\n");
}

/** Memory under a steady load, at up to `placesMax` points in time. */
export function toEndurance(samples: readonly Sample[]): string {
  const every = Math.ceil(samples.length / placesMax);
  const memory = samples.flatMap((sample, place) => (place % every === every - 1 ? (sample.memoryBytes ?? []) : []));
  const speed = (some: readonly Sample[]) => round(median(some.map((sample) => sample.perSecond)));
  const quarter = Math.ceil(samples.length / 4);
  return (
    `- Resident memory of this program, 64 at once, after every ${(every * windowMs) / 1000} s of load: ` +
    `${memory.map(toMiB).join(", ")} MiB (median ${speed(samples)} deliveries/s; ` +
    `first quarter ${speed(samples.slice(0, quarter))}, last ${speed(samples.slice(-quarter))}).`
  );
}

const placesMax = 20;

/** Half the range of the rounds in percent of their median. */
function spread(cell: Cell): string {
  const rates = cell.samples.map((sample) => sample.perSecond);
  return (((Math.max(...rates) - Math.min(...rates)) / 2 / median(rates)) * 100).toFixed(0);
}

function ratio(a: Cell, b: Cell, figure: keyof Sample): string {
  return (middleOf(a, figure) / middleOf(b, figure)).toFixed(2);
}
