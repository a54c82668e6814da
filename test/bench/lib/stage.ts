import { checkTables } from "./checkTables.ts";
import { startContestant, type ContestantName } from "./contestants.ts";
import type { BenchDatabase } from "./databases.ts";
import { measure, warmUp, type Sample, type Target } from "./measure.ts";
import type { BenchTools } from "./openBench.ts";

/** What one server did at one distance from a database of one size, so many at once. */
export interface Cell {
  readonly contestant: ContestantName;
  readonly stored: number;
  readonly roundTripMs: number;
  readonly atOnce: number;
  readonly samples: Sample[];
}

export interface Stage {
  readonly stored: number;
  readonly roundTripMs: number;
  readonly atOnce: readonly number[];
  readonly rounds: number;
  readonly durationMs: number;
}

export interface StageDeps extends BenchTools {
  /** Who takes part, with the database each of them writes to. */
  readonly databases: ReadonlyMap<ContestantName, BenchDatabase | undefined>;
}

export interface StageResult {
  readonly cells: Cell[];
  /** Users that were answered 200 and are not as they should be, by contestant. */
  readonly wrong: ReadonlyMap<ContestantName, { users: number; wrong: number }>;
}

/** Measures every contestant in turns, so that whatever else the machine does meets all of them alike. */
export async function runStage(deps: StageDeps, stage: Stage): Promise<StageResult> {
  const targets = new Map<ContestantName, Target>();
  const cells: Cell[] = [];
  const wrong = new Map<ContestantName, { users: number; wrong: number }>();
  try {
    for (const [name, database] of deps.databases) {
      const directly = database?.url ?? "";
      const nearUrl = name === "pooled" && deps.pooler ? deps.pooler.urlFor(directly) : directly;
      const url = await throughLink(deps, nearUrl, stage.roundTripMs);
      targets.set(name, { server: await startContestant(name, url), database, answered: [], perSecond: 0, p50Ms: 0 });
    }
    for (const atOnce of stage.atOnce) {
      const found = new Map<ContestantName, Cell>();
      for (const [name, target] of targets) {
        found.set(name, { contestant: name, ...stage, atOnce, samples: [] });
        await warmUp(deps, target, atOnce);
      }
      for (let round = 0; round < stage.rounds; round++) {
        for (const [name, target] of rotate([...targets], round)) {
          found.get(name)?.samples.push(await measure(deps, target, { atOnce, durationMs: stage.durationMs }));
        }
      }
      cells.push(...found.values());
      for (const cell of found.values()) deps.say(describe(cell));
    }
    for (const [name, { database, answered }] of targets) {
      if (database) wrong.set(name, await checkTables(database, answered));
    }
  } finally {
    for (const { server } of targets.values()) await server.stop();
  }
  return { cells, wrong };
}

/** The URL by way of a link of that length; without one if it has none. */
export async function throughLink(
  { link }: Pick<BenchTools, "link">,
  databaseUrl: string,
  roundTripMs: number,
): Promise<string> {
  if (roundTripMs === 0) return databaseUrl;
  const url = new URL(databaseUrl);
  url.port = String(await link.ask({ targetPort: Number(url.port), roundTripMs }));
  return url.href;
}

function rotate<T>(list: readonly T[], by: number): T[] {
  const place = by % list.length;
  return [...list.slice(place), ...list.slice(0, place)];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return low === undefined || high === undefined ? NaN : (low + high) / 2;
}

/** The contestant's cell under these conditions, if it was measured. */
export function findCell(cells: readonly Cell[], wanted: Omit<Cell, "samples">): Cell | undefined {
  return cells.find(
    (cell) =>
      cell.contestant === wanted.contestant &&
      cell.stored === wanted.stored &&
      cell.roundTripMs === wanted.roundTripMs &&
      cell.atOnce === wanted.atOnce,
  );
}

/** The middle of all samples of one figure; NaN where it was not measured. */
export function middleOf(cell: Cell | undefined, figure: keyof Sample): number {
  return median((cell?.samples ?? []).flatMap((sample) => sample[figure] ?? []));
}

function describe(cell: Cell): string {
  const round = (figure: keyof Sample) => Math.round(middleOf(cell, figure));
  return (
    `${cell.stored} stored, ${cell.roundTripMs} ms, ${cell.atOnce} at once, ${cell.contestant}: ` +
    `${cell.samples.map((sample) => Math.round(sample.perSecond)).join(" ")} /s, ` +
    `p50 ${middleOf(cell, "p50Ms").toFixed(1)} ms, p99 ${middleOf(cell, "p99Ms").toFixed(1)} ms, ` +
    `CPU ${round("serverCpuUs")} µs server + ${round("postgresCpuUs")} µs Postgres, WAL ${round("walBytes")} bytes, ` +
    `${round("memoryBytes") >> 20} MiB, failed ${cell.samples.reduce((sum, sample) => sum + sample.failed, 0)}`
  );
}
