/**
 * A time as Postgres writes it, as text or in JSON, in ISO 8601 in UTC with milliseconds. Without an offset (a column
 * `timestamp without time zone`) it is UTC.
 */
export function toIsoTime(text: string): string {
  const [, day, time, offset] = /^(\S{10})[T ](\S+?)(Z|[+-]\d\d(?::?\d\d)?)?$/.exec(text) ?? [];
  if (day === undefined) throw new Error("Postgres wrote a time in an unexpected form");
  return new Date(`${day}T${time}${toOffset(offset)}`).toISOString();
}

function toOffset(offset: string | undefined): string {
  if (offset === undefined || offset === "Z") return "Z";
  return offset.length === 3 ? `${offset}:00` : offset;
}
