import type { ComponentChildren } from "preact";

/** Nothing here, which is good or at least said. */
export function Empty({ good, children }: { good?: boolean; children: ComponentChildren }) {
  return <p class={good ? "empty good" : "empty"}>{children}</p>;
}
