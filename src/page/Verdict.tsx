import type { Alarm } from "./alarms.ts";
import { formatCounted, formatMs } from "./format.ts";
import type { FleetView } from "./useFleet.ts";

/** The one sentence for whoever has a minute, and where to look. */
export function Verdict({ alarms, trouble }: { alarms: readonly Alarm[] | null; trouble: FleetView["trouble"] }) {
  return (
    <div aria-live="polite">
      {trouble && (
        <p class="verdict bad" role="alert">
          <strong>{trouble.text}</strong> <span>Trying again every {formatMs(trouble.retryMs)}.</span>
        </p>
      )}
      {alarms === null ? (
        !trouble && <p class="verdict quiet">Asking the server…</p>
      ) : alarms.length === 0 ? (
        <p class="verdict good">
          <strong>All is well.</strong> <span>Nothing needs a decision.</span>
        </p>
      ) : (
        <div class={`verdict ${alarms[0]?.tone}`}>
          <strong>{formatCounted(alarms.length, "thing needs you", "things need you")}</strong>
          <ul>
            {alarms.map(({ text, at, tone }) => (
              <li key={text} class={tone}>
                <JumpLink to={at}>{text}</JumpLink>
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
