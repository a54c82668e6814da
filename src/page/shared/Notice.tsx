import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Tone } from "./types.ts";

/**
 * Result of an action, announced by screen readers. `takesFocus`: the button that was pressed is removed, so the focus
 * moves here.
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
