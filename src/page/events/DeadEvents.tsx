import { EventList } from "./EventList.tsx";
import { formatCount } from "../../domain/format.ts";
import { Empty } from "../shared/Empty.tsx";
import { Section } from "../shared/Section.tsx";
import type { PageData } from "../usePageData.ts";

/** Verified events that were not applied, each with its cause, payload and replay. */
export function DeadEvents({ data, onChanged }: { data: PageData | null; onChanged: () => void }) {
  const total = data?.status.events.dead ?? 0;
  const shown = data?.dead.length ?? 0;
  return (
    <Section id="dead" title="Dead events" count={total}>
      {shown > 0 && (
        <p class="muted lead">
          Verified events that were not applied: invalid, or refused by a rule of the database. They block no other
          event. Once the cause is fixed, replay the event; Svix retries a refused one for about a day.
        </p>
      )}
      {data && (
        <EventList
          events={data.dead}
          empty={<Empty good>None. No verified event is invalid or refused.</Empty>}
          onChanged={onChanged}
        />
      )}
      {total > shown && shown > 0 && (
        <p class="muted small">
          The newest {formatCount(shown)} of {formatCount(total)}.
        </p>
      )}
    </Section>
  );
}
