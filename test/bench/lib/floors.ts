import type { ContestantName } from "./contestants.ts";
import type { Sample } from "./measure.ts";
import { findCell, middleOf, type Cell } from "./stage.ts";
import type { StartUp } from "./startUp.ts";

/** A figure of one run with its floor and its goal. */
export interface GoalFigure {
  readonly name: string;
  readonly value: number;
  readonly floor: number;
  readonly goal: number;
  /** Which direction is better. */
  readonly better: "more" | "less";
}

export interface Measured {
  readonly cells: readonly Cell[];
  readonly startUps: readonly StartUp[];
  /** A statement without work over the link of 20 ms, milliseconds. */
  readonly linkMs: number;
  readonly ledgerRowBytes: number;
}

/** Every figure that has a floor and was measured in this run. */
export function toGoalFigures(measured: Measured): GoalFigure[] {
  return toAllFigures(measured).filter(({ value }) => !Number.isNaN(value));
}

export function isBelowFloor({ value, floor, better }: GoalFigure): boolean {
  return better === "more" ? value < floor : value > floor;
}

function toAllFigures({ cells, startUps, linkMs, ledgerRowBytes }: Measured): GoalFigure[] {
  const figure = (contestant: ContestantName, figure: keyof Sample, at: Partial<typeof near> = {}) =>
    middleOf(findCell(cells, { contestant, ...near, ...at }), figure);
  const rate = (contestant: ContestantName, at?: Partial<typeof near>) => figure(contestant, "perSecond", at);
  const start = (contestant: ContestantName) =>
    startUps.find((startUp) => startUp.contestant === contestant)?.firstAnswerMs ?? NaN;
  const far = { roundTripMs: 20 };
  return [
    ["64 at once beside the database : B1", rate("this") / rate("B1"), 5, 6.5, "more"],
    ["64 at once beside the database : null server", rate("this") / rate("null"), 0.25, 0.33, "more"],
    ["64 at once, 20 ms away : B1", rate("this", far) / rate("B1", far), 32, 37, "more"],
    [
      "one delivery, 20 ms away : the link's own round trip",
      figure("this", "p50Ms", { ...far, atOnce: 1 }) / linkMs,
      1.15,
      1.1,
      "less",
    ],
    ["CPU µs of the server a delivery, 64 at once", figure("this", "serverCpuUs"), 75, 55, "less"],
    ["CPU µs of Postgres a delivery, 64 at once", figure("this", "postgresCpuUs"), 110, 90, "less"],
    ["write-ahead log, bytes a delivery, 64 at once", figure("this", "walBytes"), 6_500, 5_200, "less"],
    ["ledger, bytes a delivery once its payload is gone", ledgerRowBytes, 300, 250, "less"],
    [
      "a million users : 20,000 users, throughput",
      rate("this", { stored: 1_000_000 }) / rate("this", { stored: 20_000 }),
      0.9,
      1,
      "more",
    ],
    ["start to first answer : B1", start("this") / start("B1"), 1.1, 1, "less"],
    ["start to first answer as one file : B1", start("artefact") / start("B1"), 0.5, 0.4, "less"],
  ].map(([name, value, floor, goal, better]) => ({ name, value, floor, goal, better }) as GoalFigure);
}

const near = { stored: 0, roundTripMs: 0, atOnce: 64 };
