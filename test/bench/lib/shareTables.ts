import { findCell, middleOf, type Cell } from "./stage.ts";
import { round, toMs, toTable } from "./table.ts";

/** What of a server without a database this program does. */
export function toNullShare(cells: readonly Cell[]): string {
  const rows = cells
    .filter((cell) => cell.contestant === "null")
    .map((cell) => {
      const mine = middleOf(findCell(cells, { ...cell, contestant: "this" }), "perSecond");
      const most = middleOf(cell, "perSecond");
      return [String(cell.atOnce), round(most), round(mine), `${Math.round((mine / most) * 100)} %`];
    });
  return `Against a server that verifies and answers without a database:\n\n${toTable(["at once", "null server /s", "this /s", "share"], rows)}`;
}

/** This program through a pooler beside the direct path of the same run. */
export function toPooledShare(cells: readonly Cell[]): string {
  const pooled = cells.filter((cell) => cell.contestant === "pooled");
  if (pooled.length === 0)
    return "Through a pooler nothing was measured: PgBouncer 1.21 or newer is not installed, and PGBOUNCER_NEW names none.";
  const rows = pooled.map((cell) => {
    const direct = findCell(cells, { ...cell, contestant: "this" });
    const rates = [direct, cell].map((one) => middleOf(one, "perSecond"));
    return [
      `${cell.roundTripMs} ms`,
      String(cell.atOnce),
      ...rates.map(round),
      `${((rates[1] ?? NaN) / (rates[0] ?? NaN)).toFixed(2)} ×`,
      `${toMs(middleOf(direct, "p50Ms"))} / ${toMs(middleOf(cell, "p50Ms"))}`,
      `${round(middleOf(cell, "serverCpuUs"))} + ${round(middleOf(cell, "postgresCpuUs"))}`,
    ];
  });
  return (
    "Through PgBouncer in transaction mode, which keeps prepared statements as Neon's pooler does:\n\n" +
    toTable(
      [
        "to the pooler",
        "at once",
        "direct /s",
        "pooled /s",
        "pooled : direct",
        "p50 ms, direct / pooled",
        "CPU µs per delivery, server + Postgres, without the pooler's",
      ],
      rows,
    )
  );
}
