import { useEffect } from "preact/hooks";
import { formatCounted } from "../../domain/words.ts";
import { toneOf, type Alarm } from "../shared/types.ts";

const pageTitle = document.title;

/** The section of the page that an alarm is about. */
const sectionOf: Partial<Record<Alarm["code"], string>> = {
  silence: "deliveries",
  refused_events: "dead",
  dead_events: "dead",
  conflicts: "conflicts",
  failed_run: "runs",
  wrong_key: "runs",
  drift: "runs",
  lag: "deliveries",
};

/** The server's alarms, each with a link to its place on the page. Null: not loaded yet. */
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
        <div class={`verdict toned ${toneOf[alarms[0]?.severity ?? "warning"]}`}>
          <strong>{formatCounted(count, "thing needs you", "things need you")}</strong>
          <ul>
            {alarms.map(({ code, severity, text }) => (
              <li key={code} class={toneOf[severity]}>
                {sectionOf[code] === undefined ? text : <JumpLink to={sectionOf[code]}>{text}</JumpLink>}
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
