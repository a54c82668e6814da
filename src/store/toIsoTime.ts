/**
 * Converts a time in Postgres' notation (text or JSON) to ISO 8601 in UTC with milliseconds. A time without an offset
 * (`timestamp without time zone`) is UTC.
 */
export function toIsoTime(text: string): string {
  const [, day, time, offset] = /^(\S{10})[T ](\S+?)(Z|[+-]\d\d(?::?\d\d)?)?$/.exec(text) ?? [];
  if (day === undefined) throw new Error("Postgres returned a time in an unexpected format");
  return new Date(`${day}T${time}${toOffset(offset)}`).toISOString();
}

function toOffset(offset: string | undefined): string {
  if (offset === undefined || offset === "Z") return "Z";
  return offset.length === 3 ? `${offset}:00` : offset;
}
