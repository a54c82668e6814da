import { isBelowFloor, toGoalFigures, type Measured } from "./floors.ts";
import type { Interference } from "./interference.ts";
import { round, toTable } from "./table.ts";

/** Every figure with a floor, its floor and its goal. */
export function toFloors(measured: Measured): string {
  const short = (value: number) => (value >= 100 ? round(value) : value.toFixed(2));
  const rows = toGoalFigures(measured).map((figure) => [
    figure.name,
    `${short(figure.value)}${isBelowFloor(figure) ? " (**missed**)" : ""}`,
    short(figure.floor),
    short(figure.goal),
  ]);
  return toTable(["", "measured", "floor", "goal"], rows);
}

/** Results of the load beside each other program. */
export function toInterference(interference: readonly Interference[]): string {
  const rows = interference.map(({ what, sent, refused, wrong, p99Ms, share, passed }) => [
    what,
    round(sent),
    round(refused),
    String(wrong),
    round(p99Ms),
    share === undefined ? "–" : `${share.toFixed(2)} ×`,
    passed ? "yes" : "**no**",
  ]);
  return toTable(
    [
      "",
      "sent",
      "refused without a reason",
      "wrong in the tables",
      "p99 ms",
      "of the throughput without it",
      "as promised",
    ],
    rows,
  );
}
