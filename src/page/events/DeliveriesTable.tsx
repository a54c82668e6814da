import { formatCount, formatMs } from "../../domain/format.ts";
import { outcomeNames, type PlotHour } from "./plotScale.ts";
import { formatHour } from "./plotWords.ts";

/** The figures of the plot: hours with deliveries, newest first. */
export function DeliveriesTable({ hours }: { hours: readonly PlotHour[] }) {
  const rows = hours.filter((hour) => hour.total > 0).toReversed();
  if (rows.length === 0) return <p class="empty">No deliveries in this range.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Deliveries by hour">
      <table class="figures-by-hour">
        <thead>
          <tr>
            <th scope="col">Hour</th>
            {outcomeNames.map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
            <th scope="col">lag p50</th>
            <th scope="col">lag p95</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((hour) => (
            <tr key={hour.startMs}>
              <th scope="row">{formatHour(hour.startMs)}</th>
              {outcomeNames.map((name) => (
                <td key={name}>{formatCount(hour[name])}</td>
              ))}
              <td>{hour.lagP50Ms === null ? "–" : formatMs(hour.lagP50Ms)}</td>
              <td>{hour.lagP95Ms === null ? "–" : formatMs(hour.lagP95Ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
