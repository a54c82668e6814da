/** A smaller number is in seconds: 1e11 ms is in 1973, 1e11 s in the year 5138. */
const secondsBelow = 1e11;
/** The last millisecond of the year 9999, the last four-digit year. */
const lastMs = 253_402_300_799_999;

/**
 * A time in a Clerk payload as epoch milliseconds; null if it is not a time. Live traffic has milliseconds, the OpenAPI
 * examples have seconds, exports of 2021 have ISO 8601 text (UTC unless it names a zone).
 */
export function toEpochMs(value: unknown): number | null {
  const ms = Math.trunc(toNumber(value));
  return ms > 0 && ms <= lastMs ? ms : null;
}

function toNumber(value: unknown): number {
  if (typeof value === "number") return value < secondsBelow ? value * 1000 : value;
  if (typeof value !== "string") return Number.NaN;
  const text = value.trim();
  if (/^\d{1,15}(\.\d{1,9})?$/.test(text)) return toNumber(Number(text));
  const iso = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)\s?(Z|[+-]\d{2}:?\d{2})?)?$/i.exec(text);
  return iso ? Date.parse(`${iso[1]}T${iso[2] ?? "00:00"}${iso[3] ?? "Z"}`) : Number.NaN;
}
