import { useEffect } from "preact/hooks";
import type { Alarm } from "./alarms.ts";
import { formatCounted } from "../shared/format.ts";

const pageTitle = document.title;

/** What needs a decision, worst first, each with a link to its place on the page. Null: not loaded yet. */
export function Verdict({ alarms }: { alarms: readonly Alarm[] | null }) {
  const count = alarms?.length ?? 0;
  useEffect(() => {
    // Seen also while the tab is one of many.
    document.title = count === 0 ? pageTitle : `(${count}) ${pageTitle}`;
    return () => {
      document.title = pageTitle;
    };
  }, [count]);
  return (
    <div aria-live="polite">
      {alarms === null ? (
        <p class="verdict toned quiet">Asking the server…</p>
      ) : count === 0 ? (
        <p class="verdict toned good">
          <strong>All is well.</strong> <span>Nothing needs a decision.</span>
        </p>
      ) : (
        <div class={`verdict toned ${alarms[0]?.tone}`}>
          <strong>{formatCounted(count, "thing needs you", "things need you")}</strong>
          <ul>
            {alarms.map(({ text, at, tone }) => (
              <li key={text} class={tone}>
                {at === null ? text : <JumpLink to={at}>{text}</JumpLink>}
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

/** Scrolls and moves the focus; the address stays the user's who is looked at. */
function JumpLink({ to, children }: { to: string; children: string }) {
  return (
    <button
      type="button"
      class="jump"
      onClick={() => {
        const target = document.getElementById(to);
        target?.scrollIntoView({ block: "start" });
        target?.focus({ preventScroll: true });
      }}
    >
      {children}
    </button>
  );
}
