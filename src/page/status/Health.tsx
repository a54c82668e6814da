import type { ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import { findLastReconcile, toSilence } from "./alarms.ts";
import { NowContext } from "../shared/clock.ts";
import { formatCount, formatMs } from "../shared/format.ts";
import type { Tone } from "../shared/types.ts";
import { Ago } from "../shared/Ago.tsx";
import type { PageData } from "../usePageData.ts";

/** The figures that show whether the sync works. */
export function Health({ data }: { data: PageData | null }) {
  const nowMs = useContext(NowContext);
  const status = data?.status;
  const silence = status && toSilence(status.lastEventAt, nowMs);
  const reconcile = data && findLastReconcile(data.runs);
  const lag = status?.lag;
  return (
    <section class="tiles" aria-label="Health">
      <Tile name="Last webhook" tone={silence?.tone} note={silence && toSilenceNote(silence)}>
        {status && (status.lastEventAt === null ? "never" : <Ago at={status.lastEventAt} />)}
      </Tile>
      <Tile name="Active users" note={status && `${formatCount(status.users.deleted)} deleted`}>
        {status && formatCount(status.users.active)}
      </Tile>
      <LinksTile data={data} />
      <Tile
        name="Lag, last 24 h"
        note={lag && (lag.p95Ms === null ? "no delivery" : `19 of 20 within ${formatMs(lag.p95Ms)}`)}
        tone={(lag?.p95Ms ?? 0) > 60_000 ? "warn" : undefined}
      >
        {lag && (lag.p50Ms === null ? "–" : formatMs(lag.p50Ms))}
      </Tile>
      <Tile
        name="Drift at last reconcile"
        tone={reconcile?.dryRun && reconcile.drift > 0 ? "warn" : undefined}
        note={status && (reconcile ? <DriftNote run={reconcile} /> : status.drift === null ? "none has run yet" : "")}
      >
        {status && (status.drift === null ? "–" : formatCount(status.drift))}
      </Tile>
      <Tile
        name="Dead events"
        tone={status && status.events.dead > 0 ? "warn" : undefined}
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

function toSilenceNote({ tone, silentForMs }: ReturnType<typeof toSilence>): string {
  if (silentForMs === null) return "none so far";
  if (tone === "bad") return "silent: check the endpoint";
  return tone === "warn" ? "unusually quiet" : "webhooks arrive";
}

function DriftNote({ run }: { run: NonNullable<ReturnType<typeof findLastReconcile>> }) {
  return (
    <>
      {run.drift === 0 ? "in step" : run.dryRun ? "not repaired (dry run)" : "repaired"}, <Ago at={run.startedAt} />
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

/** Active users by how they stand to a mentorado. */
function LinksTile({ data }: { data: PageData | null }) {
  const status = data?.status;
  const links = status?.links;
  const waiting = links && links.unverified + links.noEmail + links.conflict;
  const rows =
    links &&
    ([
      ["unverified", links.unverified],
      ["no e-mail", links.noEmail],
      ["conflict", links.conflict],
    ] as const);
  return (
    <Tile
      name="Linked to a mentorado"
      note={
        rows &&
        (waiting === 0
          ? "no user waits"
          : rows
              .filter(([, count]) => count > 0)
              .map(([name, count]) => `${formatCount(count)} ${name}`)
              .join(" · "))
      }
    >
      {links && formatCount(links.linked)}
    </Tile>
  );
}
