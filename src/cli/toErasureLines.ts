import type { ErasureFinding, ErasureReport } from "../store/users/erasureReport.ts";

/** `erasure-report` for people: every column that was searched, then what it means. */
export function toErasureLines({ findings, ...report }: ErasureReport): string[] {
  const places = findings.map(({ table, column }) => `${table}.${column}`);
  const width = Math.max(...places.map((place) => place.length));
  const toLine = (finding: ErasureFinding, nth: number) =>
    `${(places[nth] ?? "").padEnd(width)}  ${finding.holds.padEnd("identifier".length)}  ${toFound(finding)}`;
  const ids = report.releasedMentoradoIds.join(", ");
  return [
    `${report.clerkId}: ${report.state}`,
    "",
    ...findings.map(toLine),
    "",
    report.erased ? "Nothing personal is left." : toAdvice(report),
    "identifier: the Clerk id alone. It is kept for the audit trail, and so that no late event restores the user.",
    ...(ids === ""
      ? []
      : [`released: a deletion keeps the mentorado, without its user. Erase by hand: mentorados.id ${ids}.`]),
    ...(report.unsearched.length === 0
      ? []
      : [`Not searched, because other programs write them: ${report.unsearched.join(", ")}.`]),
  ];
}

function toFound({ holds, rows }: ErasureFinding): string {
  if (rows > 0) return `${rows} ${rows === 1 ? "row" : "rows"}`;
  return holds === "personal" ? "erased, or never there" : "none";
}

function toAdvice({ state }: Pick<ErasureReport, "state">): string {
  return state === "synced"
    ? "Personal data is left: the user is active. Delete the user in Clerk, and the webhook erases it."
    : "Personal data is left. Payloads are erased after EVENT_RETENTION_DAYS; anything else is a fault: please report it.";
}
