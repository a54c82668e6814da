import { useEffect, useRef, useState } from "preact/hooks";
import { Candidates } from "../conflicts/Candidates.tsx";
import { EventList } from "../events/EventList.tsx";
import { ResyncReport } from "./ResyncReport.tsx";
import { client } from "../shared/syncClient.ts";
import type { EventSummary, LinkConflict, ResyncResult, UserStatus } from "../shared/types.ts";
import { Badge } from "../shared/Badge.tsx";
import { Button } from "../shared/Button.tsx";
import { Empty } from "../shared/Empty.tsx";
import { FailureNotice } from "../shared/FailureNotice.tsx";
import { Notice } from "../shared/Notice.tsx";
import { useAction } from "../shared/useAction.ts";
import { UserFacts } from "./UserFacts.tsx";
import { explainUser } from "./userWords.ts";

interface UserPanelProps {
  readonly clerkId: string;
  /** Undefined: the user is in no conflict. */
  readonly conflict: LinkConflict | undefined;
  /** When the rest of the page was loaded (epoch milliseconds): this user is loaded again with it. */
  readonly loadedAtMs: number | null;
  /** Reloads the whole page. */
  readonly onChanged: () => void;
  readonly onClose: () => void;
}

interface Found {
  readonly status: UserStatus;
  readonly events: readonly EventSummary[];
}

const eventsShown = 20;

async function findUser(clerkId: string): Promise<Found> {
  const [status, events] = await Promise.all([
    client.sync.user.query({ clerkId }),
    client.events.list.query({ clerkId, limit: eventsShown }),
  ]);
  return { status, events: events.items };
}

/** One user: what the status means, what to do, re-sync, link decisions, both rows, events. */
export function UserPanel({ clerkId, conflict, loadedAtMs, onChanged, onClose }: UserPanelProps) {
  const lookup = useAction();
  const resync = useAction();
  const [found, setFound] = useState<Found | null>(null);
  const [report, setReport] = useState<ResyncResult | null>(null);
  const panel = useRef<HTMLElement>(null);

  // Each search has a panel of its own (`key`), so `clerkId` never changes here.
  useEffect(() => lookup.run(async () => setFound(await findUser(clerkId))), [loadedAtMs]);
  const isFound = found !== null;
  useEffect(() => panel.current?.scrollIntoView({ block: "nearest" }), [isFound]);

  function runResync(dryRun: boolean): void {
    resync.run(async () => {
      setReport(null);
      setReport(await client.sync.resync.mutate({ clerkId, dryRun }));
      if (dryRun) return;
      setFound(await findUser(clerkId));
      onChanged();
    });
  }

  return (
    <section class="card user" aria-label={`User ${clerkId}`} aria-busy={lookup.busy} ref={panel}>
      <header class="card-head">
        <h2 class="id">{clerkId}</h2>
        {found && <StateBadges status={found.status} />}
        <div class="aside">
          <Button busy={resync.busy} onClick={() => runResync(true)} title="Asks Clerk and shows what would change">
            Preview
          </Button>
          <Button kind="primary" busy={resync.busy} onClick={() => runResync(false)}>
            Re-sync
          </Button>
          <Button kind="bare" onClick={onClose}>
            Close
          </Button>
        </div>
      </header>
      <FailureNotice failure={lookup.failure ?? resync.failure} />
      {report && <ResyncReport report={report} />}
      {found && <UserBody found={found} conflict={conflict} onChanged={onChanged} />}
    </section>
  );
}

interface UserBodyProps {
  readonly found: Found;
  readonly conflict: LinkConflict | undefined;
  readonly onChanged: () => void;
}

function UserBody({ found: { status, events }, conflict, onChanged }: UserBodyProps) {
  const [decided, setDecided] = useState<string | null>(null);
  function onDecided(text: string): void {
    setDecided(text);
    onChanged();
  }
  return (
    <>
      {decided !== null && (
        <Notice tone="good" takesFocus>
          {decided}
        </Notice>
      )}
      <Meaning status={status} />
      {status.state === "synced" && status.link !== "linked" && (
        <Candidates clerkId={status.clerkId} candidates={conflict?.candidates ?? []} onDone={onDecided} />
      )}
      <UserFacts status={status} onUnlinked={onDecided} />
      <h3>History</h3>
      <EventList events={events} empty={<Empty>No event about this user.</Empty>} onChanged={onChanged} />
    </>
  );
}

function StateBadges({ status: { state, link } }: { status: UserStatus }) {
  return (
    <>
      <Badge tone={state === "synced" ? "good" : state === "missing" ? "bad" : "quiet"}>{state}</Badge>
      {state === "synced" && <Badge tone={link === "linked" ? "good" : "warn"}>{link}</Badge>}
    </>
  );
}

/** The status in words, and what to do. */
function Meaning({ status }: { status: UserStatus }) {
  const { tone, title, meaning, todo } = explainUser(status);
  return (
    <div class={`meaning toned ${tone}`} role="status">
      <p>
        <strong>{title}.</strong> {meaning}
      </p>
      <p>{todo}</p>
    </div>
  );
}
