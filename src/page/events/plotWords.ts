import { formatCounted, formatMs } from "../../domain/format.ts";
import { outcomeNames, type PlotHour } from "./plotScale.ts";

const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const dayAndHour = new Intl.DateTimeFormat("en", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const hourOnly = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** An hour in the reader's own time zone. */
export function formatHour(startMs: number): string {
  return dayAndHour.format(startMs);
}

/** A label of the axis: the day where it begins, the hour elsewhere. */
export function formatAxisHour(startMs: number): string {
  return new Date(startMs).getHours() === 0 ? day.format(startMs) : hourOnly.format(startMs);
}

/** One hour of the plot as a sentence, for screen readers. */
export function toSentence(hour: PlotHour): string {
  const parts = outcomeNames.filter((name) => hour[name] > 0).map((name) => `${hour[name]} ${name}`);
  const lag = hour.lagP95Ms === null ? "" : `, lag p95 ${formatMs(hour.lagP95Ms)}`;
  const sum = formatCounted(hour.total, "delivery", "deliveries");
  return `${formatHour(hour.startMs)}: ${hour.total === 0 ? "no deliveries" : `${sum}: ${parts.join(", ")}`}${lag}`;
}
