import { noWebhookYet, toClockText, type Alarm } from "../domain/alarm.ts";
import type { SyncRun } from "../domain/syncRun.ts";
import { formatCounted, formatMs } from "../domain/format.ts";
import type { AlarmFigures } from "../store/status/alarmFigures.ts";
import type { EventFigures, UserFigures } from "../store/status/figures.ts";
import { wrongKeyAdvice } from "./instanceCheck.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Minimum silence for a warning and for critical: even an instance of a few hundred users is rarely silent so long. */
const silenceWarningMsMin = 6 * hourMs;
const silenceCriticalMsMin = dayMs;
/** Svix disables an endpoint after five days in which all attempts failed: an alarm a day before leaves time to act. */
const silenceMsMax = 4 * dayMs;
/** Thresholds once a reconcile has found missed changes: Svix retries three times within 36 min, again after 2.6 h. */
const missedWarningMs = hourMs;
const missedCriticalMs = 6 * hourMs;
/** From this age a refused event is critical: Svix's last retry is some 27 hours after the first attempt. */
const refusedMsMax = dayMs;
/** A user who waits longer takes the sign-up for failed. */
const lagMsMax = 60_000;
/** With fewer events the p95 is the maximum, so that one late event would raise the alarm. */
const lagEventsMin = 20;

/** Alarm input from the database. */
export interface StoredFigures extends EventFigures, UserFigures, AlarmFigures {
  /** The newest reconcile that is `done`, dry run or not. */
  readonly lastReconcile: SyncRun | null;
  readonly hasDefaultTurma: boolean;
}

/** Alarm input from the memory of this process. */
export interface ProcessFacts {
  /** How many seconds the senders' clocks are ahead of this one; null if there is no sign of a wrong clock. */
  readonly clockOffsetSeconds: number | null;
  /** Obstacles that the last rehearsal found; null: none has finished. */
  readonly rehearsal: { readonly obstacles: readonly string[]; readonly since: string } | null;
  /** The mismatch between `CLERK_SECRET_KEY` and the instance; null: none was found. */
  readonly wrongKey: { readonly text: string; readonly since: string } | null;
}

/**
 * All current alarms, critical ones first. Pure; page, tRPC, command line and metrics all show this list.
 * @param stored null: no figures have been read yet
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

function findSilence(stored: StoredFigures, nowMs: number) {
  const { lastEventAt, events, firstRunAt, lastReconcile, usualSilenceMs } = stored;
  const check = "check in Clerk's dashboard that the webhook endpoint is enabled, and how its deliveries were answered";
  if (lastEventAt === null) {
    if (Object.values(events).some((count) => count > 0))
      return toAlarm("silence", "critical", null, `No webhook within the retention of the ledger; ${check}.`);
    // On the first day the endpoint may not have been added yet.
    if (firstRunAt === null || nowMs - Date.parse(firstRunAt) < silenceCriticalMsMin) return null;
    return toAlarm("silence", "warning", firstRunAt, noWebhookYet);
  }
  const lastEventMs = Date.parse(lastEventAt);
  const silentForMs = nowMs - lastEventMs;
  const missed =
    lastReconcile && !lastReconcile.dryRun && Date.parse(lastReconcile.startedAt) > lastEventMs
      ? lastReconcile.drift
      : 0;
  const usualMs = 2 * (usualSilenceMs ?? 0);
  const warningMs = missed > 0 ? missedWarningMs : Math.min(silenceMsMax, Math.max(silenceWarningMsMin, usualMs));
  const criticalMs =
    missed > 0 ? missedCriticalMs : Math.min(silenceMsMax, Math.max(silenceCriticalMsMin, 2 * usualMs));
  if (silentForMs < warningMs) return null;
  const evidence = missed > 0 ? `, and a reconcile since then found ${formatCounted(missed, "missed change")}` : "";
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
    `${formatCounted(count, "event")} refused by a rule of the database${named}${toOldest(since, nowMs)}; fix that rule or the row in conflict, then replay each event that Svix no longer retries, or re-sync its user if the payload is erased.`,
  );
}

function findDead({ dead: { count, since } }: StoredFigures, nowMs: number) {
  if (count === 0) return null;
  return toAlarm(
    "dead_events",
    "warning",
    since,
    `${formatCounted(count, "dead event")}${toOldest(since, nowMs)}; read the error of each, and replay the event once its cause is fixed.`,
  );
}

function findConflicts({ links: { conflict } }: StoredFigures) {
  if (conflict === 0) return null;
  return toAlarm(
    "conflicts",
    "warning",
    null,
    `${formatCounted(conflict, "user")} whose mentorado an operator has to choose; link the right one to each on the operator page, or with links.resolve.`,
  );
}

/** A run that failed because of the wrong key raises `wrong_key` instead. */
function findFailedRun({ failure }: StoredFigures) {
  if (!failure || isOfWrongKey(failure)) return null;
  const reason = failure.error?.replace(/\.$/, "") ?? "no reason is recorded";
  const text = `The last ${failure.kind} failed (${reason}); fix the cause, then start it again.`;
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
  const text = `The last reconcile was a dry run: it found ${found} and repaired none; start a reconcile without dry run.`;
  return toAlarm("drift", "warning", lastReconcile.finishedAt, text);
}

function findLag({ lag: { p95Ms }, lagEvents }: StoredFigures) {
  if (p95Ms === null || p95Ms <= lagMsMax || lagEvents < lagEventsMin) return null;
  const text = `The lag from Clerk to the database is ${formatMs(p95Ms)} (p95 of the last 24 h); check for failed deliveries in Clerk's dashboard, and the log for their cause.`;
  return toAlarm("lag", "warning", null, text);
}

function findWrongClock({ clockOffsetSeconds: offset }: ProcessFacts) {
  if (offset === null) return null;
  return toAlarm("clock", "critical", null, `${toClockText(offset)}.`);
}

function findObstacles({ rehearsal }: ProcessFacts) {
  if (!rehearsal || rehearsal.obstacles.length === 0) return null;
  const named = rehearsal.obstacles.join("; ");
  const text = `The rehearsal found obstacles that refuse deliveries: ${named}; run doctor for how to remove them.`;
  return toAlarm("rehearsal", "critical", rehearsal.since, text);
}

function findMissingTurma({ hasDefaultTurma }: StoredFigures) {
  if (hasDefaultTurma) return null;
  const text =
    "DEFAULT_TURMA is not a label of the enum turma: users are stored, but no new mentorados are created; set it to a label (doctor lists them).";
  return toAlarm("default_turma", "warning", null, text);
}

function toOldest(since: string | null, nowMs: number): string {
  return since === null ? "" : `, the oldest for ${formatMs(Math.max(0, nowMs - Date.parse(since)))}`;
}

function toAlarm(code: Alarm["code"], severity: Alarm["severity"], since: string | null, text: string): Alarm {
  return { code, severity, since, text };
}
