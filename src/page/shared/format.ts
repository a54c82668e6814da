const relative = {
  narrow: new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" }),
  long: new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "long" }),
};
const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** `just now`, `4m ago`, `yesterday`; in the long style `4 minutes ago`. */
export function formatAgo(atMs: number, nowMs: number, style: keyof typeof relative = "narrow"): string {
  const agoMs = nowMs - atMs;
  const sizeMs = Math.abs(agoMs);
  const inUnits = (unitMs: number, unit: Intl.RelativeTimeFormatUnit) =>
    relative[style].format(-Math.round(agoMs / unitMs), unit);
  if (sizeMs < 5 * secondMs) return "just now";
  if (sizeMs < minuteMs) return inUnits(secondMs, "second");
  if (sizeMs < hourMs) return inUnits(minuteMs, "minute");
  if (sizeMs < dayMs) return inUnits(hourMs, "hour");
  return inUnits(dayMs, "day");
}
