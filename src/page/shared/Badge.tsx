import type { ComponentChildren } from "preact";
import type { Tone } from "./types.ts";

/** Coloured label of a state. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}
