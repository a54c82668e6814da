import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { middleOf, type Cell } from "./stage.ts";

const colours = { B1: "#e0823d", B3: "#b07cc6", this: "#2f9e8f" };
/** Readable on white and on a dark page alike. */
const ink = "#7d8590";

/** Deliveries per second by distance to the database, a panel for each number at once; an SVG for light and dark. */
export async function toPlot(
  cells: readonly Cell[],
  labels: Readonly<Record<"B1" | "B3" | "this", string>>,
): Promise<string> {
  const values = cells.flatMap((cell) =>
    cell.contestant === "null" || cell.contestant === "artefact" || cell.contestant === "pooled"
      ? []
      : [
          {
            server: labels[cell.contestant],
            users: toUsersLabel(cell.stored),
            atOnce: cell.atOnce,
            roundTrip: `${cell.roundTripMs}`,
            perSecond: middleOf(cell, "perSecond"),
          },
        ],
  );
  const sizes = [...new Set(cells.map((cell) => cell.stored))].toSorted((a, b) => a - b).map(toUsersLabel);
  const spec: TopLevelSpec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    data: { values },
    background: "transparent",
    facet: {
      column: { field: "atOnce", type: "ordinal", header: { title: toTitle(sizes), titlePadding: 6 } },
    },
    spec: {
      width: 190,
      height: 230,
      mark: { type: "line", point: { size: 45, filled: true }, strokeWidth: 2 },
      encoding: {
        x: {
          field: "roundTrip",
          type: "ordinal",
          sort: [...new Set(cells.map((cell) => cell.roundTripMs))].toSorted((a, b) => a - b).map(String),
          title: "ms to the database and back",
          axis: { labelAngle: 0 },
        },
        y: {
          field: "perSecond",
          type: "quantitative",
          scale: { type: "log" },
          title: "deliveries per second",
          axis: { format: "~s", values: [1, 10, 100, 1_000, 10_000] },
        },
        color: {
          field: "server",
          type: "nominal",
          title: null,
          scale: { domain: [labels.this, labels.B1, labels.B3], range: [colours.this, colours.B1, colours.B3] },
        },
        ...(sizes.length > 1
          ? {
              strokeDash: {
                field: "users",
                type: "nominal",
                legend: null,
                scale: {
                  domain: sizes,
                  range: [
                    [1, 0],
                    [5, 4],
                    [2, 3],
                  ].slice(0, sizes.length),
                },
              },
            }
          : {}),
      },
    },
    config: {
      font: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
      view: { stroke: null },
      axis: {
        labelColor: ink,
        titleColor: ink,
        domainColor: ink,
        tickColor: ink,
        gridColor: ink,
        gridOpacity: 0.25,
        titleFontWeight: "normal",
        labelFontSize: 11,
        titleFontSize: 12,
      },
      header: { labelColor: ink, titleColor: ink, titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 12 },
      legend: {
        labelColor: ink,
        orient: "bottom",
        direction: "horizontal",
        labelFontSize: 12,
        labelLimit: 400,
        symbolStrokeColor: ink,
      },
    },
  };
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

function toTitle(sizes: readonly string[]): string {
  const [solid, dashed] = sizes;
  return dashed === undefined ? "deliveries at once" : `deliveries at once (solid: ${solid}, dashed: ${dashed})`;
}

function toUsersLabel(stored: number): string {
  return stored === 0 ? "empty database" : `${stored.toLocaleString("en")} users stored`;
}
