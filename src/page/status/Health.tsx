import type { ComponentChildren } from "preact";
import { formatCount, formatMs } from "../../domain/format.ts";
import { toneOf, type Alarm, type SyncRun, type SyncStatus, type Tone } from "../shared/types.ts";
import { Ago } from "../shared/Ago.tsx";
import type { PageData } from "../usePageData.ts";

/** Tiles with the key figures, coloured by the alarms. */
export function Health({ data }: { data: PageData | null }) {
  const status = data?.status;
  // The run whose drift `status.drift` is.
  const reconcile = data?.runs.find((run) => run.kind === "reconcile" && run.status === "done");
  const lag = status?.lag;
  const toneFor = (...codes: Alarm["code"][]) => {
    const alarm = status?.alarms.find(({ code }) => codes.includes(code));
    return alarm && toneOf[alarm.severity];
  };
  return (
    <section class="tiles" aria-label="Health">
      <Tile
        name="Last webhook"
        tone={status && (toneFor("silence") ?? (status.lastEventAt === null ? "quiet" : "good"))}
        note={status && toSilenceNote(status)}
      >
        {status && (status.lastEventAt === null ? "never" : <Ago at={status.lastEventAt} />)}
      </Tile>
      <Tile name="Active users" note={status && `${formatCount(status.users.deleted)} deleted`}>
        {status && formatCount(status.users.active)}
      </Tile>
      <Tile name="Linked to a mentorado" note={status && toLinksNote(status)}>
        {status && formatCount(status.links.linked)}
      </Tile>
      <Tile
        name="Lag p50, 24 h"
        note={lag && (lag.p95Ms === null ? "no deliveries" : `p95 ${formatMs(lag.p95Ms)}`)}
        tone={toneFor("lag")}
      >
        {lag && (lag.p50Ms === null ? "–" : formatMs(lag.p50Ms))}
      </Tile>
      <Tile
        name="Drift at last reconcile"
        tone={toneFor("drift")}
        note={status && (reconcile ? <DriftNote run={reconcile} /> : status.drift === null ? "no reconcile yet" : "")}
      >
        {status && (status.drift === null ? "–" : formatCount(status.drift))}
      </Tile>
      <Tile
        name="Dead events"
        tone={toneFor("refused_events", "dead_events")}
        note={
          status &&
          (status.oldestDeadAt === null ? (
            "none"
          ) : (
            <>
              oldest <Ago at={status.oldestDeadAt} />
            </>
          ))
        }
      >
        {status && formatCount(status.events.dead)}
      </Tile>
    </section>
  );
}

function toSilenceNote({ lastEventAt, alarms }: SyncStatus): string {
  if (lastEventAt === null) return "none so far";
  const silence = alarms.find(({ code }) => code === "silence");
  if (silence === undefined) return "webhooks arrive";
  return silence.severity === "critical" ? "silent: check the endpoint" : "unusually quiet";
}

function DriftNote({ run }: { run: SyncRun }) {
  return (
    <>
      {run.drift === 0 ? "no difference" : run.dryRun ? "not repaired (dry run)" : "repaired"},{" "}
      <Ago at={run.startedAt} />
    </>
  );
}

interface TileProps {
  readonly name: string;
  readonly tone?: Tone | undefined;
  readonly note?: ComponentChildren;
  readonly children: ComponentChildren;
}

function Tile({ name, tone = "quiet", note, children }: TileProps) {
  return (
    <div class={`tile ${tone}`}>
      <h2>{name}</h2>
      <p class="figure">{children ?? <span class="ghost" />}</p>
      <p class="note">{note ?? <span class="ghost" />}</p>
    </div>
  );
}

/** Active users that are not linked, by link status. */
function toLinksNote({ links }: SyncStatus): string {
  const counts = [
    ["unverified", links.unverified],
    ["no e-mail", links.noEmail],
    ["conflict", links.conflict],
  ] as const;
  const shown = counts.flatMap(([name, count]) => (count > 0 ? [`${formatCount(count)} ${name}`] : []));
  return shown.join(" · ") || "none unresolved";
}
