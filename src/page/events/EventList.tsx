import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { formatMs } from "../../domain/format.ts";
import { client } from "../shared/syncClient.ts";
import type { EventSummary } from "../shared/types.ts";
import { Ago } from "../shared/Ago.tsx";
import { Badge } from "../shared/Badge.tsx";
import { Button } from "../shared/Button.tsx";
import { FailureNotice } from "../shared/FailureNotice.tsx";
import { Notice } from "../shared/Notice.tsx";
import { UserLink } from "../shared/UserLink.tsx";
import { useAction } from "../shared/useAction.ts";
import { explainDead, explainReplay, outcomeWords } from "./eventWords.ts";

interface EventListProps {
  readonly events: readonly EventSummary[];
  /** Shown if there are no events. */
  readonly empty: ComponentChildren;
  readonly onChanged: () => void;
}

/** Events of the ledger. Each can show its payload, and a dead one can be replayed. */
export function EventList({ events, empty, onChanged }: EventListProps) {
  // Shown above the list: the row of a replayed event leaves the list of dead events.
  const [replayed, setReplayed] = useState<{ svixId: string; outcome: string } | null>(null);
  return (
    <>
      {replayed && (
        <Notice tone={replayed.outcome === "dead" ? "warn" : "good"} takesFocus={replayed.outcome !== "dead"}>
          {explainReplay(replayed)}
        </Notice>
      )}
      {events.length === 0 && empty}
      <ol class="rows">
        {events.map((event) => (
          <EventRow
            key={event.svixId}
            event={event}
            onReplayed={(outcome) => {
              setReplayed({ svixId: event.svixId, outcome });
              onChanged();
            }}
          />
        ))}
      </ol>
    </>
  );
}

function EventRow({ event, onReplayed }: { event: EventSummary; onReplayed: (outcome: string) => void }) {
  const { svixId, type, clerkId, outcome, attempts, occurredAt, settledAt } = event;
  const replay = useAction();
  const lookup = useAction();
  /** Undefined: not loaded. Null: erased. */
  const [payload, setPayload] = useState<string | null | undefined>(undefined);
  // Not the svix-id: one event can be in several lists, and an svix-id can have any character.
  const rowId = useId();

  function togglePayload(): void {
    if (payload !== undefined) setPayload(undefined);
    else lookup.run(async () => setPayload((await client.events.get.query({ svixId })).payload));
  }

  return (
    <li class="row event">
      <div class="row-main">
        <p class="row-title" id={rowId}>
          <Badge tone={outcomeWords[outcome].tone}>{outcome}</Badge>
          <span class="type">{type ?? "no type"}</span>
          {clerkId !== null && <UserLink clerkId={clerkId} />}
        </p>
        {outcome === "dead" && <p>{explainDead(event)}</p>}
        <p class="muted small">
          <Ago at={event.receivedAt} />
          {attempts > 1 && ` · ${attempts} deliveries`}
          {occurredAt !== null && ` · lag ${formatMs(Math.max(0, Date.parse(settledAt) - Date.parse(occurredAt)))}`}
          {" · "}
          <span class="id">{svixId}</span>
        </p>
      </div>
      <div class="row-end">
        <Button kind="bare" describedBy={rowId} busy={lookup.busy} onClick={togglePayload}>
          {payload === undefined ? "Payload" : "Hide"}
        </Button>
        {outcome === "dead" && (
          <Button
            describedBy={rowId}
            busy={replay.busy}
            onClick={() => replay.run(async () => onReplayed((await client.events.replay.mutate({ svixId })).outcome))}
          >
            Replay
          </Button>
        )}
      </div>
      {payload !== undefined && <Payload text={payload} />}
      <FailureNotice failure={lookup.failure ?? replay.failure} />
    </li>
  );
}

/** The stored body, as text even if it has markup. */
function Payload({ text }: { text: string | null }) {
  if (text === null) return <p class="muted">The payload is no longer kept.</p>;
  return (
    <pre class="payload" tabIndex={0} aria-label="Payload">
      {toIndented(text)}
    </pre>
  );
}

function toIndented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not JSON, which can be why the event is dead.
    return text;
  }
}
