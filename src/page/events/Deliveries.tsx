import { useContext, useState } from "preact/hooks";
import { NowContext } from "../shared/clock.ts";
import { formatCount } from "../../domain/format.ts";
import { DeliveriesTable } from "./DeliveriesTable.tsx";
import { Plot } from "./Plot.tsx";
import { outcomeNames, sumOf, toPlotHours, type PlotHour } from "./plotScale.ts";
import type { SyncStatus } from "../shared/types.ts";
import { Section } from "../shared/Section.tsx";
import type { PageData } from "../usePageData.ts";
import { outcomeWords } from "./eventWords.ts";

const ranges = [
  [24, "24 h"],
  [48, "48 h"],
  [168, "7 days"],
] as const;

interface DeliveriesProps {
  readonly data: PageData | null;
  readonly hours: number;
  readonly onHours: (hours: number) => void;
}

/** Deliveries by hour and outcome, and their lag: a plot, sums, and a table. */
export function Deliveries({ data, hours, onHours }: DeliveriesProps) {
  const nowMs = useContext(NowContext);
  const plotHours = toPlotHours(data?.eventHours ?? [], hours, nowMs);
  const [tableOpen, setTableOpen] = useState(false);
  return (
    <Section
      id="deliveries"
      title="Deliveries"
      aside={
        <div class="segments" role="group" aria-label="Range">
          {ranges.map(([value, name]) => (
            <button
              key={value}
              type="button"
              class="button"
              aria-pressed={value === hours}
              onClick={() => onHours(value)}
            >
              {name}
            </button>
          ))}
        </div>
      }
    >
      <div class="plot-columns">
        <Plot hours={plotHours} />
        <Legend hours={plotHours} status={data?.status} />
      </div>
      <details class="figures-table" onToggle={(event) => setTableOpen(event.currentTarget.open)}>
        <summary>As a table</summary>
        {tableOpen && <DeliveriesTable hours={plotHours} />}
      </details>
    </Section>
  );
}

/** Each outcome with its colour, its meaning, and its sum in the range and ever. */
function Legend({ hours, status }: { hours: readonly PlotHour[]; status: SyncStatus | undefined }) {
  return (
    <table class="legend">
      <thead>
        <tr>
          <th scope="col">Outcome</th>
          <th scope="col">shown</th>
          <th scope="col">ever</th>
        </tr>
      </thead>
      <tbody>
        {outcomeNames.map((name) => {
          const ever = status && (name === "duplicate" ? status.duplicates : status.events[name]);
          return (
            <tr key={name}>
              <th scope="row">
                <span class={`swatch outcome ${name}`} /> {name}
                <span class="muted small">{outcomeWords[name].meaning}</span>
              </th>
              <td>{formatCount(sumOf(hours, name))}</td>
              <td>{ever === undefined ? "" : formatCount(ever)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
