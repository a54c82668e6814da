import type { ComponentChildren } from "preact";
import type { Tone } from "./types.ts";

/** A state as a word with its colour. */
export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}
