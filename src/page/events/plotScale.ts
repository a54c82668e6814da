import { outcomeWords } from "./eventWords.ts";
import type { EventHour } from "../shared/types.ts";

const hourMs = 60 * 60 * 1000;
const dayMs = 24 * hourMs;

/** In the order in which the plot stacks them. */
export const outcomeNames = Object.keys(outcomeWords) as readonly (keyof typeof outcomeWords)[];

/** One hour of the plot, also one without deliveries. */
export interface PlotHour extends Omit<EventHour, "hour"> {
  /** Epoch milliseconds. */
  readonly startMs: number;
  readonly total: number;
}

/** Every one of the last `hours` hours, the current one last. */
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

/** Deliveries of one outcome over all hours. */
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

/** Round durations; the axis is logarithmic, because lag ranges from milliseconds to days. */
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

/** The ticks from the one below the smallest lag to the one above the largest. */
export function toLagTicks(lagsMs: readonly number[]): number[] {
  const min = Math.max(1, Math.min(...lagsMs));
  const max = Math.max(1, ...lagsMs);
  const first = lagTicksMs.findLastIndex((tick) => tick <= min);
  const last = lagTicksMs.findIndex((tick) => tick > max);
  return lagTicksMs.slice(Math.max(0, first), last < 0 ? undefined : last + 1);
}

/** Position of a lag on the logarithmic axis: 0 at the first tick, 1 at the last. */
export function toLagShare(lagMs: number, ticks: readonly number[]): number {
  const first = ticks[0] ?? 1;
  const last = ticks.at(-1) ?? 10;
  const share = Math.log(Math.max(lagMs, 1) / first) / Math.log(last / first);
  return Math.min(1, Math.max(0, share));
}

/** Whether the axis labels this hour (local time): every 4th, 8th or 24th, by the range. */
export function isLabelled(startMs: number, hours: number): boolean {
  const everyHours = hours <= 24 ? 4 : hours <= 48 ? 8 : 24;
  return new Date(startMs).getHours() % everyHours === 0;
}
