import { isBelowFloor, judge, type Measured } from "./floors.ts";
import type { Neighbour } from "./neighbours.ts";
import { round, toTable } from "./table.ts";

/** Every figure that has a floor, with what it has to reach. */
export function toFloors(measured: Measured): string {
  const short = (value: number) => (value >= 100 ? round(value) : value.toFixed(2));
  const rows = judge(measured).map((judged) => [
    judged.name,
    `${short(judged.value)}${isBelowFloor(judged) ? " (**missed**)" : ""}`,
    short(judged.floor),
    short(judged.goal),
  ]);
  return toTable(["", "measured", "floor", "goal"], rows);
}

/** What a load met beside each neighbour. */
export function toNeighbours(neighbours: readonly Neighbour[]): string {
  const rows = neighbours.map(({ what, sent, refused, wrong, p99Ms, share, holds }) => [
    what,
    round(sent),
    round(refused),
    String(wrong),
    round(p99Ms),
    share === undefined ? "–" : `${share.toFixed(2)} ×`,
    holds ? "yes" : "**no**",
  ]);
  return toTable(
    ["", "sent", "refused without a reason", "wrong in the tables", "p99 ms", "of the throughput without it", "holds"],
    rows,
  );
}
