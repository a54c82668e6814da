import type { Alarm } from "../domain/alarm.ts";
import type { SyncRun } from "../domain/syncRun.ts";
import { formatCounted, formatMs } from "../domain/words.ts";
import type { AlarmFigures } from "../store/status/alarmFigures.ts";
import type { EventFigures, UserFigures } from "../store/status/figures.ts";
import { wrongKeyAdvice } from "./instanceCheck.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A running instance of some hundred users is rarely silent for a night: this long is odd, a day is an alarm. */
const quietMsMin = 6 * hourMs;
const silentMsMin = dayMs;
/** Svix switches an endpoint off after five days of nothing but failures; whatever is usual, a day is left to act in. */
const silenceMsMax = 4 * dayMs;
/** Where changes are known to have been missed. Deliveries that are late by a few repetitions have come by then. */
const missedMsMin = hourMs;
const missedMsMax = 6 * hourMs;
/** Svix's last try is some 27 hours after its first. */
const refusedMsMax = dayMs;
/** Slower than this and people notice that a sign-up "did nothing". */
const lagMsMax = 60_000;
/** With fewer, the slowest of twenty is the slowest of all. */
const lagEventsMin = 20;

/** What the database says. */
export interface StoredFigures extends EventFigures, UserFigures, AlarmFigures {
  /** The newest reconcile that came to its end, dry or not. */
  readonly lastReconcile: SyncRun | null;
  readonly hasDefaultTurma: boolean;
}

/** What this process knows without the database. */
export interface ProcessFacts {
  /** By how many seconds the senders' clocks are ahead of this one; null while nothing speaks for a wrong clock. */
  readonly clockOffsetSeconds: number | null;
  /** Names of what the rehearsal found in the way. */
  readonly rehearsal: { readonly obstacles: readonly string[]; readonly since: string } | null;
  /** Why this process refused its `CLERK_SECRET_KEY`. */
  readonly wrongKey: { readonly text: string; readonly since: string } | null;
}

/**
 * All that an operator has to settle, the critical ones first. The one place that decides; pure.
 * @param stored null: the database has not been asked yet
 */
export function findAlarms(stored: StoredFigures | null, facts: ProcessFacts, nowMs: number): Alarm[] {
  const rules = [findWrongClock(facts), findObstacles(facts), findWrongKey(stored, facts)];
  if (stored !== null) {
    rules.push(
      findSilence(stored, nowMs),
      findFailedRun(stored),
      findRefused(stored, nowMs),
      findDead(stored, nowMs),
      findConflicts(stored),
      findLag(stored),
      findDrift(stored),
      findMissingTurma(stored),
    );
  }
  const alarms = rules.filter((alarm) => alarm !== null);
  return alarms.sort((a, b) => Number(a.severity === "warning") - Number(b.severity === "warning"));
}

function findSilence({ lastEventAt, events, lastReconcile, usualSilenceMs }: StoredFigures, nowMs: number) {
  const check =
    "check in Clerk's dashboard that the webhook endpoint is enabled, and what its deliveries were answered";
  if (lastEventAt === null) {
    return Object.values(events).some((count) => count > 0)
      ? toAlarm("silence", "critical", null, `No webhook for longer than the ledger keeps one; ${check}.`)
      : toAlarm("silence", "warning", null, "No webhook has ever arrived; add the endpoint in Clerk's dashboard.");
  }
  const lastEventMs = Date.parse(lastEventAt);
  const silentForMs = nowMs - lastEventMs;
  const missed =
    lastReconcile && !lastReconcile.dryRun && Date.parse(lastReconcile.startedAt) > lastEventMs
      ? lastReconcile.drift
      : 0;
  const usualMs = 2 * (usualSilenceMs ?? 0);
  const warningMs = missed > 0 ? missedMsMin : Math.min(silenceMsMax, Math.max(quietMsMin, usualMs));
  const criticalMs = missed > 0 ? missedMsMax : Math.min(silenceMsMax, Math.max(silentMsMin, 2 * usualMs));
  if (silentForMs < warningMs) return null;
  const evidence = missed > 0 ? `, and a reconcile has found ${formatCounted(missed, "change")} since` : "";
  return toAlarm(
    "silence",
    silentForMs >= criticalMs ? "critical" : "warning",
    lastEventAt,
    `No webhook for ${formatMs(silentForMs)}${evidence}; ${check}.`,
  );
}

function findRefused({ refused: { count, since, rules } }: StoredFigures, nowMs: number) {
  if (count === 0) return null;
  const isLate = since !== null && nowMs - Date.parse(since) >= refusedMsMax;
  const named = rules.length === 0 ? "" : ` (${rules.join(", ")})`;
  return toAlarm(
    "refused_events",
    isLate ? "critical" : "warning",
    since,
    `${formatCounted(count, "event")} refused by a rule of the database${named}${toOldest(since, nowMs)}; remove what is in the way, and replay each that Svix does not send again.`,
  );
}

function findDead({ dead: { count, since } }: StoredFigures, nowMs: number) {
  if (count === 0) return null;
  return toAlarm(
    "dead_events",
    "warning",
    since,
    `${formatCounted(count, "dead event")}${toOldest(since, nowMs)}; look at the error of each, and replay it once its cause is mended.`,
  );
}

function findConflicts({ links: { conflict } }: StoredFigures) {
  if (conflict === 0) return null;
  return toAlarm(
    "conflicts",
    "warning",
    null,
    `${formatCounted(conflict, "user")} whose mentorado could not be decided; link the right one to each on the operator page, or with links.resolve.`,
  );
}

/** A run that failed because of the wrong key is that alarm and no other. */
function findFailedRun({ failure }: StoredFigures) {
  if (!failure || isOfWrongKey(failure)) return null;
  const reason = failure.error?.replace(/\.$/, "") ?? "no reason is recorded";
  const text = `The last ${failure.kind} failed (${reason}); mend that, and start it again.`;
  return toAlarm("failed_run", "critical", failure.since, text);
}

function findWrongKey(stored: StoredFigures | null, { wrongKey }: ProcessFacts) {
  const failure = stored?.failure;
  const found = failure && isOfWrongKey(failure) ? { text: failure.error ?? "", since: failure.since } : wrongKey;
  if (!found) return null;
  const difference = found.text.replace(wrongKeyAdvice, "").replace(/\.\s*$/, "");
  return toAlarm(
    "wrong_key",
    "critical",
    found.since,
    `${difference}; set the CLERK_SECRET_KEY of the right instance.`,
  );
}

function isOfWrongKey({ error }: NonNullable<StoredFigures["failure"]>): boolean {
  return error?.endsWith(wrongKeyAdvice) ?? false;
}

function findDrift({ lastReconcile }: StoredFigures) {
  if (!lastReconcile?.dryRun || lastReconcile.drift === 0) return null;
  const found = formatCounted(lastReconcile.drift, "difference");
  const text = `The last reconcile, a dry run, found ${found} and repaired none; start one that is no dry run.`;
  return toAlarm("drift", "warning", lastReconcile.finishedAt, text);
}

function findLag({ lag: { p95Ms }, lagEvents }: StoredFigures) {
  if (p95Ms === null || p95Ms <= lagMsMax || lagEvents < lagEventsMin) return null;
  const text = `Changes arrive late: ${formatMs(p95Ms)} for the slowest of twenty in the last 24 h; look for failed deliveries in Clerk's dashboard, and in the log for what delayed them.`;
  return toAlarm("lag", "warning", null, text);
}

function findWrongClock({ clockOffsetSeconds: offset }: ProcessFacts) {
  if (offset === null) return null;
  const direction = offset > 0 ? "slow" : "fast";
  const text = `The server's clock is off by about ${Math.abs(offset)} s (${direction}), and signed deliveries are refused for their timestamp; synchronise it (NTP).`;
  return toAlarm("clock", "critical", null, text);
}

function findObstacles({ rehearsal }: ProcessFacts) {
  if (!rehearsal || rehearsal.obstacles.length === 0) return null;
  const named = rehearsal.obstacles.join("; ");
  const text = `The rehearsal found what refuses deliveries: ${named}; run doctor, which says what to do.`;
  return toAlarm("rehearsal", "critical", rehearsal.since, text);
}

function findMissingTurma({ hasDefaultTurma }: StoredFigures) {
  if (hasDefaultTurma) return null;
  const text =
    "DEFAULT_TURMA is no label of the enum turma, so that users are stored and new mentorados wait; set it to one (doctor lists them).";
  return toAlarm("default_turma", "warning", null, text);
}

function toOldest(since: string | null, nowMs: number): string {
  return since === null ? "" : `, the oldest for ${formatMs(Math.max(0, nowMs - Date.parse(since)))}`;
}

function toAlarm(code: Alarm["code"], severity: Alarm["severity"], since: string | null, text: string): Alarm {
  return { code, severity, since, text };
}
