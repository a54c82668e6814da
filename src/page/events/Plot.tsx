import { useState } from "preact/hooks";
import { formatCount, formatMs } from "../../domain/format.ts";
import { isLabelled, outcomeNames, toLagShare, toLagTicks, toTicks, type PlotHour } from "./plotScale.ts";
import { formatAxisHour, formatHour, toSentence } from "./plotWords.ts";

/** More labels would overlap. */
const lagLabelsMax = 5;
/** From this share of the width on, labels would overflow a phone's screen; there they are hidden. */
const lateShare = 0.85;

/** One column an hour: bars of deliveries, and under them the lag (p50, p95). Read by pointer or arrow keys. */
export function Plot({ hours }: { hours: readonly PlotHour[] }) {
  const [place, setPlace] = useState<number | null>(null);
  const last = hours.length - 1;
  const shown = hours[place ?? last];
  const counts = toTicks(Math.max(...hours.map((hour) => hour.total)));
  const lags = toLagTicks(hours.flatMap((hour) => [hour.lagP50Ms ?? [], hour.lagP95Ms ?? []].flat()));
  const shownLags = lags.filter((_, n) => n % Math.ceil(lags.length / lagLabelsMax) === 0);
  const moveTo = (wanted: number) => setPlace(Math.min(last, Math.max(0, wanted)));

  function onKey(event: KeyboardEvent): void {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -hours.length, End: hours.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    moveTo((place ?? last) + step);
  }
  function onPointer(event: PointerEvent & { readonly currentTarget: HTMLElement }): void {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    moveTo(Math.floor(((event.clientX - left) / width) * hours.length));
  }

  return (
    <div class="plot">
      <Axis name="deliveries" ticks={counts.map((tick) => [formatCount(tick), tick / (counts.at(-1) ?? 1)])} />
      {lags.length > 1 && <Axis name="lag" ticks={shownLags.map((tick) => [formatMs(tick), toLagShare(tick, lags)])} />}
      <div
        class="plot-area"
        role="slider"
        tabIndex={0}
        aria-label="Deliveries by hour"
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={place ?? last}
        aria-valuetext={shown && toSentence(shown)}
        onKeyDown={onKey}
        onFocus={() => moveTo(place ?? last)}
        onBlur={() => setPlace(null)}
        onPointerMove={onPointer}
        onPointerDown={onPointer}
        onPointerLeave={() => setPlace(null)}
      >
        <Bars hours={hours} top={counts.at(-1) ?? 1} />
        <LagLines hours={hours} ticks={lags} />
        <ol class="axis-hours" aria-hidden>
          {hours.map(
            ({ startMs }, n) =>
              isLabelled(startMs, hours.length) && (
                <li
                  key={startMs}
                  class={n / hours.length > lateShare ? "late" : undefined}
                  style={{ left: `${(n / hours.length) * 100}%` }}
                >
                  {formatAxisHour(startMs)}
                </li>
              ),
          )}
        </ol>
        {hours.every((hour) => hour.total === 0) && <p class="nothing">No deliveries in this range.</p>}
        {shown && place !== null && <Tip hour={shown} share={(place + 0.5) / hours.length} />}
      </div>
    </div>
  );
}

/** Labels from the bottom (share 0) to the top (1), each with a line across the plot. */
function Axis({ name, ticks }: { name: string; ticks: readonly (readonly [string, number])[] }) {
  return (
    <div class={`axis ${name}`} aria-hidden>
      <span class="axis-name">{name}</span>
      {ticks.map(([text, share]) => (
        <span key={text} class="tick" style={{ bottom: `${share * 100}%` }}>
          {text}
        </span>
      ))}
    </div>
  );
}

// In SVG units: 100 high, 1 wide per hour, stretched to the space available.

function Bars({ hours, top }: { hours: readonly PlotHour[]; top: number }) {
  return (
    <svg class="bars" viewBox={`0 0 ${hours.length} 100`} preserveAspectRatio="none" aria-hidden>
      {hours.map((hour, n) => {
        let y = 100;
        return outcomeNames.map((name) => {
          if (hour[name] === 0) return null;
          const height = (hour[name] / top) * 100;
          y -= height;
          return <rect key={`${n} ${name}`} class={`outcome ${name}`} x={n + 0.1} y={y} width={0.8} height={height} />;
        });
      })}
    </svg>
  );
}

function LagLines({ hours, ticks }: { hours: readonly PlotHour[]; ticks: readonly number[] }) {
  const toPath = (lagOf: (hour: PlotHour) => number | null) =>
    hours
      .map((hour, n) => {
        const lagMs = lagOf(hour);
        if (lagMs === null) return "";
        const y = (100 - toLagShare(lagMs, ticks) * 100).toFixed(2);
        const before = hours[n - 1];
        // One step per hour; an hour without deliveries is a gap.
        return `${before && lagOf(before) !== null ? "L" : "M"}${n} ${y}H${n + 1}`;
      })
      .join("");
  return (
    <svg class="lags" viewBox={`0 0 ${hours.length} 100`} preserveAspectRatio="none" aria-hidden>
      <path class="p95" d={toPath((hour) => hour.lagP95Ms)} />
      <path class="p50" d={toPath((hour) => hour.lagP50Ms)} />
    </svg>
  );
}

/** Tooltip of the hour under the pointer. */
function Tip({ hour, share }: { hour: PlotHour; share: number }) {
  return (
    <div class={share > 0.5 ? "tip left" : "tip"} style={{ left: `${share * 100}%` }} aria-hidden>
      <div class="tip-box">
        <strong>{formatHour(hour.startMs)}</strong>
        {hour.total === 0 && <span>no delivery</span>}
        {outcomeNames.map(
          (name) =>
            hour[name] > 0 && (
              <span key={name}>
                <span class={`swatch outcome ${name}`} /> {formatCount(hour[name])} {name}
              </span>
            ),
        )}
        {hour.lagP50Ms !== null && hour.lagP95Ms !== null && (
          <span class="muted">
            lag {formatMs(hour.lagP50Ms)}, p95 {formatMs(hour.lagP95Ms)}
          </span>
        )}
      </div>
    </div>
  );
}
