import { formatAgo, formatCounted, formatMs } from "../shared/format.ts";
import type { SyncStatus, SyncRun, Tone } from "../shared/types.ts";

// A running instance of some hundred users is rarely silent for a night. Svix switches an endpoint off after five days
// of failures, so a day of silence leaves four to act in.
const quietMs = 6 * 60 * 60 * 1000;
const silentMs = 24 * 60 * 60 * 1000;
/** Slower than this and people notice that a sign-up "did nothing". */
const slowLagMs = 60_000;

export interface Alarm {
  readonly tone: Extract<Tone, "warn" | "bad">;
  readonly text: string;
  /** The element on the page that settles it; null: it is settled elsewhere. */
  readonly at: string | null;
}

/** How long no webhook came, judged. */
export function toSilence(lastEventAt: string | null, nowMs: number): { tone: Tone; silentForMs: number | null } {
  if (lastEventAt === null) return { tone: "warn", silentForMs: null };
  const silentForMs = nowMs - Date.parse(lastEventAt);
  return { tone: silentForMs >= silentMs ? "bad" : silentForMs >= quietMs ? "warn" : "good", silentForMs };
}

/** The newest reconcile that came to its end: the one `drift` is of. */
export function findLastReconcile(runs: readonly SyncRun[]): SyncRun | undefined {
  return runs.find((run) => run.kind === "reconcile" && run.status === "done");
}

/** All that is not as it should be, worst first. */
export function findAlarms(
  data: { status: SyncStatus; runs: readonly SyncRun[]; warnings?: readonly string[] },
  nowMs: number,
): Alarm[] {
  const { status, runs, warnings = [] } = data;
  const alarms: Alarm[] = warnings.map((text) => ({ tone: "warn", at: null, text: `${text}.` }));
  const silence = toSilence(status.lastEventAt, nowMs);
  if (silence.silentForMs === null) {
    alarms.push({ tone: "warn", at: "deliveries", text: "No webhook has ever arrived. Check the endpoint in Clerk." });
  } else if (silence.tone === "bad" || silence.tone === "warn") {
    const text = `No webhook for ${formatMs(silence.silentForMs)}. Check that the endpoint in Clerk is enabled.`;
    alarms.push({ tone: silence.tone, at: "deliveries", text });
  }
  const lastRun = runs.find((run) => run.status !== "running");
  if (lastRun?.status === "failed") {
    alarms.push({
      tone: "bad",
      at: "runs",
      text: `The last ${lastRun.kind} failed: ${lastRun.error ?? "no reason given"}`,
    });
  }
  if (status.events.dead > 0) {
    const oldest =
      status.oldestDeadAt === null
        ? ""
        : `, the oldest from ${formatAgo(Date.parse(status.oldestDeadAt), nowMs, "long")}`;
    alarms.push({ tone: "warn", at: "dead", text: `${formatCounted(status.events.dead, "dead event")}${oldest}.` });
  }
  if (status.links.conflict > 0) {
    const text = `${formatCounted(status.links.conflict, "user")} whose mentorado could not be decided.`;
    alarms.push({ tone: "warn", at: "conflicts", text });
  }
  if ((status.lag.p95Ms ?? 0) > slowLagMs) {
    const text = `Changes arrive late: ${formatMs(status.lag.p95Ms ?? 0)} for the slowest of twenty.`;
    alarms.push({ tone: "warn", at: "deliveries", text });
  }
  const reconcile = findLastReconcile(runs);
  if (reconcile?.dryRun && reconcile.drift > 0) {
    const text = `The last reconcile, a dry run, found ${formatCounted(reconcile.drift, "difference")} and repaired none.`;
    alarms.push({ tone: "warn", at: "runs", text });
  }
  return alarms.sort((a, b) => Number(a.tone === "warn") - Number(b.tone === "warn"));
}
