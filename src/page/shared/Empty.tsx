import type { ComponentChildren } from "preact";

/** Text in place of an empty list; `good`: an empty list is the desired state. */
export function Empty({ good, children }: { good?: boolean; children: ComponentChildren }) {
  return <p class={good ? "empty good" : "empty"}>{children}</p>;
}
