import { outcomeWords } from "./eventWords.ts";
import type { EventHour } from "../shared/types.ts";

const hourMs = 60 * 60 * 1000;
const dayMs = 24 * hourMs;

export const outcomeNames = Object.keys(outcomeWords) as readonly (keyof typeof outcomeWords)[];

/** One hour of the plot; hours without a delivery included. */
export interface PlotHour extends Omit<EventHour, "hour"> {
  readonly startMs: number;
  readonly total: number;
}

/** Every hour of the last `hours`, the present one last. */
export function toPlotHours(items: readonly EventHour[], hours: number, nowMs: number): PlotHour[] {
  const byStart = new Map(items.map((item) => [Date.parse(item.hour), item]));
  const lastMs = Math.floor(nowMs / hourMs) * hourMs;
  return Array.from({ length: hours }, (_, place) => {
    const startMs = lastMs - (hours - 1 - place) * hourMs;
    const { hour: _hour, ...figures } = byStart.get(startMs) ?? { ...emptyHour, hour: "" };
    return { ...figures, startMs, total: outcomeNames.reduce((sum, name) => sum + figures[name], 0) };
  });
}

const emptyHour = {
  applied: 0,
  unchanged: 0,
  stale: 0,
  ignored: 0,
  dead: 0,
  duplicate: 0,
  lagP50Ms: null,
  lagP95Ms: null,
};

export function sumOf(hours: readonly PlotHour[], name: (typeof outcomeNames)[number]): number {
  return hours.reduce((sum, hour) => sum + hour[name], 0);
}

/** Round values from 0 to the first at or above `max`: 1, 2 or 5 times a power of ten apart. */
export function toTicks(max: number, intervals = 4): number[] {
  const rough = Math.max(max, 1) / intervals;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough);
  return Array.from({ length: Math.ceil(Math.max(max, 1) / step) + 1 }, (_, place) => place * step);
}

/** Milliseconds that people think in. The lag of a good day and of a bad one are powers apart. */
const lagTicksMs = [
  1,
  10,
  100,
  1000,
  10_000,
  60_000,
  600_000,
  hourMs,
  ...[1, 10, 100, 1000, 10_000].map((days) => days * dayMs),
];

/** From the tick under the least to the tick over the greatest. */
export function toLagTicks(lagsMs: readonly number[]): number[] {
  const min = Math.max(1, Math.min(...lagsMs));
  const max = Math.max(1, ...lagsMs);
  const first = lagTicksMs.findLastIndex((tick) => tick <= min);
  const last = lagTicksMs.findIndex((tick) => tick > max);
  return lagTicksMs.slice(Math.max(0, first), last < 0 ? undefined : last + 1);
}

/** Where a lag stands between the first tick (0) and the last (1); equal factors are equally far apart. */
export function toLagShare(lagMs: number, ticks: readonly number[]): number {
  const first = ticks[0] ?? 1;
  const last = ticks.at(-1) ?? 10;
  const share = Math.log(Math.max(lagMs, 1) / first) / Math.log(last / first);
  return Math.min(1, Math.max(0, share));
}

/** Hours of the local day at which the axis has a label. */
export function isLabelled(startMs: number, hours: number): boolean {
  const everyHours = hours <= 24 ? 4 : hours <= 48 ? 8 : 24;
  return new Date(startMs).getHours() % everyHours === 0;
}
