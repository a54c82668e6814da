import { useState } from "preact/hooks";
import { RunRow } from "./RunRow.tsx";
import { client } from "../shared/syncClient.ts";
import { Button } from "../shared/Button.tsx";
import { Empty } from "../shared/Empty.tsx";
import { FailureNotice } from "../shared/FailureNotice.tsx";
import { Notice } from "../shared/Notice.tsx";
import { Section } from "../shared/Section.tsx";
import { useAction } from "../shared/useAction.ts";
import type { PageData } from "../usePageData.ts";
import type { SyncRun } from "../shared/types.ts";

type RunKind = SyncRun["kind"];

/** Backfills and reconciles: start, follow, cancel. */
export function Runs({ data, onChanged }: { data: PageData | null; onChanged: () => void }) {
  const start = useAction();
  const [dryRun, setDryRun] = useState(true);
  const [started, setStarted] = useState<string | null>(null);
  const runs = data?.runs ?? [];
  const isRunning = (kind: RunKind) => runs.some((run) => run.kind === kind && run.status === "running");

  function startRun(kind: RunKind): void {
    start.run(async () => {
      setStarted(null);
      await client.runs.start.mutate({ kind, dryRun });
      setStarted(`${dryRun ? "A dry run of a" : "A"} ${kind} has started.`);
      onChanged();
    });
  }

  return (
    <Section
      id="runs"
      title="Runs"
      aside={
        <>
          <label class="inline">
            <input type="checkbox" checked={dryRun} onChange={(event) => setDryRun(event.currentTarget.checked)} />
            Dry run
          </label>
          {(["reconcile", "backfill"] as const).map((kind) => (
            <Button
              key={kind}
              busy={start.busy}
              disabled={isRunning(kind)}
              title={isRunning(kind) ? `A ${kind} is running.` : undefined}
              onClick={() => startRun(kind)}
            >
              Start {kind}
            </Button>
          ))}
        </>
      }
    >
      <p class="muted lead">
        A reconcile compares every user of Clerk with every row and repairs what differs. A backfill writes every user
        of Clerk. A dry run writes nothing and says what would change.
      </p>
      <FailureNotice failure={start.failure} />
      {started !== null && runs.some((run) => run.status === "running") && <Notice tone="quiet">{started}</Notice>}
      {data && runs.length === 0 && <Empty>No run yet. A reconcile shows whether anything was missed.</Empty>}
      <ol class="rows">
        {runs.map((run) => (
          <RunRow key={run.runId} run={run} activeUsers={data?.status.users.active ?? 0} onChanged={onChanged} />
        ))}
      </ol>
    </Section>
  );
}
