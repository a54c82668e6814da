import { formatCount, formatMs } from "../../domain/format.ts";
import { client } from "../shared/syncClient.ts";
import type { SyncRun, Tone } from "../shared/types.ts";
import { Ago } from "../shared/Ago.tsx";
import { Badge } from "../shared/Badge.tsx";
import { Button } from "../shared/Button.tsx";
import { FailureNotice } from "../shared/FailureNotice.tsx";
import { useAction } from "../shared/useAction.ts";

const statusTones: Readonly<Record<SyncRun["status"], Tone>> = {
  running: "quiet",
  done: "good",
  failed: "bad",
  cancelled: "warn",
};

interface RunRowProps {
  readonly run: SyncRun;
  /** Approximate total of the progress bar. */
  readonly activeUsers: number;
  readonly onChanged: () => void;
}

/** One run: status, progress, figures, error, and Cancel while it runs. */
export function RunRow({ run, activeUsers, onChanged }: RunRowProps) {
  const { runId, kind, status, dryRun, startedAt, finishedAt, seen, error } = run;
  const cancel = useAction();
  const titleId = `run-${runId}`;
  return (
    <li class="row run">
      <div class="row-main">
        <p class="row-title" id={titleId}>
          <Badge tone={statusTones[status]}>{status}</Badge>
          <strong>{kind}</strong>
          {dryRun && <Badge tone="quiet">dry run</Badge>}
          <span class="muted small">
            <Ago at={startedAt} />
            {finishedAt !== null && `, took ${formatMs(Date.parse(finishedAt) - Date.parse(startedAt))}`}
          </span>
        </p>
        {status === "running" && (
          <progress
            aria-label={`${kind}: users seen`}
            {...(kind === "reconcile" && activeUsers >= seen ? { value: seen, max: Math.max(activeUsers, 1) } : {})}
          />
        )}
        <RunFigures run={run} />
        {error !== null && <p class="error-text">{error}</p>}
      </div>
      {status === "running" && (
        <div class="row-end">
          <Button
            describedBy={titleId}
            busy={cancel.busy}
            onClick={() =>
              cancel.run(async () => {
                await client.runs.cancel.mutate({ runId });
                onChanged();
              })
            }
          >
            Cancel
          </Button>
        </div>
      )}
      <FailureNotice failure={cancel.failure} />
    </li>
  );
}

function RunFigures({ run }: { run: SyncRun }) {
  const figures = [
    ["seen", run.seen],
    ["applied", run.applied],
    ["unchanged", run.unchanged],
    ["stale", run.stale],
    ["deleted", run.deleted],
    ...(run.kind === "reconcile" ? ([["drift", run.drift]] as const) : []),
  ] as const;
  return (
    <dl class="run-figures">
      {figures.map(([name, count]) => (
        <div key={name} class={count === 0 ? "zero" : undefined}>
          <dt>{name}</dt>
          <dd>{formatCount(count)}</dd>
        </div>
      ))}
    </dl>
  );
}
