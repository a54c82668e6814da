/** A whole number with separators; a dash for what was not measured. */
export function round(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "–";
}

export function toMs(value: number): string {
  return Number.isFinite(value) ? value.toFixed(value < 10 ? 1 : 0) : "–";
}

export function toMiB(bytes: number): string {
  return round(bytes / 2 ** 20);
}

export function toTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, place) => (place === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
