import { useEffect, useState } from "preact/hooks";
import { EventList } from "./EventList.tsx";
import { client } from "../shared/syncClient.ts";
import type { EventSummary } from "../shared/types.ts";
import { Button } from "../shared/Button.tsx";
import { Empty } from "../shared/Empty.tsx";
import { FailureNotice } from "../shared/FailureNotice.tsx";
import { Section } from "../shared/Section.tsx";
import { useAction } from "../shared/useAction.ts";

const pageItems = 10;
const outcomes = ["applied", "unchanged", "stale", "ignored", "dead"] as const satisfies EventSummary["outcome"][];
type Filter = EventSummary["outcome"] | "all";

/** All events, newest first; loaded when opened. */
export function Ledger({ loadedAtMs, onChanged }: { loadedAtMs: number | null; onChanged: () => void }) {
  const [open, setOpen] = useState(false);
  const [filter, setFilter] = useState<Filter>("all");
  const [events, setEvents] = useState<readonly EventSummary[] | null>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const { run, busy, failure } = useAction();

  function load(more: { after: string; before: readonly EventSummary[] } | null): void {
    run(async () => {
      const { items, nextCursor } = await client.events.list.query({
        limit: pageItems,
        ...(filter === "all" ? {} : { outcome: filter }),
        ...(more ? { cursor: more.after } : {}),
      });
      setEvents([...(more?.before ?? []), ...items]);
      setCursor(nextCursor);
    });
  }
  useEffect(() => {
    if (open) load(null);
    // Again with the rest of the page, and with another filter.
  }, [open, filter, loadedAtMs]);

  return (
    <Section
      id="ledger"
      title="All events"
      aside={
        open ? (
          <label class="inline">
            Outcome
            <select value={filter} onChange={(event) => setFilter(event.currentTarget.value as Filter)}>
              <option value="all">all</option>
              {outcomes.map((outcome) => (
                <option key={outcome} value={outcome}>
                  {outcome}
                </option>
              ))}
            </select>
          </label>
        ) : (
          <Button onClick={() => setOpen(true)}>Show</Button>
        )
      }
    >
      <FailureNotice failure={failure} />
      {open && events && (
        <EventList events={events} empty={<Empty>No event has this outcome.</Empty>} onChanged={onChanged} />
      )}
      {open && events && cursor !== null && (
        <p class="more">
          <Button busy={busy} onClick={() => load({ after: cursor, before: events })}>
            Older
          </Button>
        </p>
      )}
    </Section>
  );
}
