import type { ComponentChildren } from "preact";

interface SectionProps {
  readonly id: string;
  readonly title: string;
  readonly count?: number | undefined;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** A card of the page. `id` is the target of the links in `Alarms`; `aside` are controls beside the heading. */
export function Section({ id, title, count, aside, children }: SectionProps) {
  return (
    <section class="card" id={id} tabIndex={-1} aria-labelledby={`${id}-title`}>
      <header class="card-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {count !== undefined && count > 0 && <span class="count">{count}</span>}
        <div class="aside">{aside}</div>
      </header>
      {children}
    </section>
  );
}
