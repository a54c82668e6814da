const numbers = new Intl.NumberFormat("en");
const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** A count with thousands separators: `1,204`. */
export function formatCount(count: number): string {
  return numbers.format(count);
}

/** A count with its noun: `1 event`, `1,204 events`. */
export function formatCounted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** A duration, rounded to its largest unit: `480 ms`, `3.2 s`, `14 min`, `3 days`. */
export function formatMs(ms: number): string {
  if (ms < secondMs) return `${Math.round(ms)} ms`;
  if (ms < minuteMs) return `${ms < 10 * secondMs ? Math.round(ms / 100) / 10 : Math.round(ms / secondMs)} s`;
  if (ms < hourMs) return `${Math.round(ms / minuteMs)} min`;
  if (ms < 2 * dayMs) return `${Math.round(ms / hourMs)} h`;
  return `${Math.round(ms / dayMs)} days`;
}
