import type { ComponentChildren } from "preact";

/** Names and values, in two columns. */
export function Facts({ rows }: { rows: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value === null || value === undefined || value === "" ? <span class="muted">none</span> : value}</dd>
        </div>
      ))}
    </dl>
  );
}
