import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Tone } from "./types.ts";

/**
 * What came of something just done, told to screen readers as well. With `takesFocus` the keyboard goes on from here:
 * the button that was pressed has gone.
 */
export function Notice(props: { tone: Tone; takesFocus?: boolean; children: ComponentChildren }) {
  const { tone, takesFocus, children } = props;
  const element = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (takesFocus) element.current?.focus();
  }, [takesFocus, children]);
  return (
    <p class={`notice toned ${tone}`} role={tone === "bad" ? "alert" : "status"} tabIndex={-1} ref={element}>
      {children}
    </p>
  );
}
