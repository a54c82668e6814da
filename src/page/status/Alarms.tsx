import { useEffect } from "preact/hooks";
import { noWebhookYet } from "../../domain/alarm.ts";
import { formatCounted } from "../../domain/format.ts";
import { toneOf, type Alarm, type SyncStatus } from "../shared/types.ts";

const pageTitle = document.title;

/** Id of the section that shows what an alarm is about; the other alarms are about the server itself. */
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

/** The server's alarms, each with a link to its section. Null: not loaded yet. */
export function Alarms({ status }: { status: SyncStatus | null }) {
  const alarms = status?.alarms ?? [];
  const count = alarms.length;
  useEffect(() => {
    // Shows the count in the tab bar too.
    document.title = count === 0 ? pageTitle : `(${count}) ${pageTitle}`;
    return () => {
      document.title = pageTitle;
    };
  }, [count]);
  return (
    <div aria-live="polite">
      {status === null ? (
        <p class="alarms toned quiet">Asking the server…</p>
      ) : count === 0 ? (
        <p class="alarms toned good">
          <strong>No alarms.</strong>{" "}
          <span>{status.lastEventAt === null ? noWebhookYet : "Nothing needs a decision."}</span>
        </p>
      ) : (
        <div class={`alarms toned ${toneOf[alarms[0]?.severity ?? "warning"]}`}>
          <strong>{formatCounted(count, "alarm")}</strong>
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

/** Scrolls and moves the focus. A button, because the hash of the address is the user that is shown. */
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
