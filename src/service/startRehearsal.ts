import { systemClock, type Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { awakeAfterUseMs, inBackground } from "../store/connection/inBackground.ts";
import type { RehearsalReport } from "../store/migration/rehearsal.ts";
import type { RehearsalFinding } from "../store/migration/rehearsalFailures.ts";
import { hasFunctions } from "../store/migration/sqlFunctions.ts";

const rehearsalDeadlineMs = 5_000;
/** Pause while the database is unreachable, busy or not migrated. */
const unknownPauseMs = 5_000;
/** Pause while there is an obstacle: once it is removed, the server gets ready. Each try holds the writer's lock. */
const obstaclePauseMs = 30_000;
/** While nothing else uses the database the pause doubles up to this, so that Neon can suspend it. */
const pauseMsMax = 12 * 3_600_000;

/** `since`: when a rehearsal first found this, ISO 8601. */
export type TimedReport = RehearsalReport & { readonly since: string };

/** The rehearsal of a running server. */
export interface BackgroundRehearsal {
  /** Report of the last rehearsal; undefined: none has finished yet. */
  readonly findReport: () => TimedReport | undefined;
  readonly stop: () => void;
}

interface RehearsalDeps {
  readonly database: Database;
  /** Delay of the first try, milliseconds; default: none. */
  readonly afterMs?: number | undefined;
  readonly defaultTurma?: string | undefined;
  readonly log: Log;
  readonly clock?: Clock | undefined;
}

/**
 * Rehearses in the background with the server's own connection and role, and repeats that until a rehearsal has
 * succeeded without obstacles. Logs every finding by name.
 */
export function startRehearsal(deps: RehearsalDeps): BackgroundRehearsal {
  const { afterMs, defaultTurma, log, clock = systemClock } = deps;
  const database = inBackground(deps.database);
  let report: TimedReport | undefined;
  let isStopped = false;
  let cancel: () => void = () => undefined;
  let triedAtMs = 0;
  let unusedPauseMs = 0;

  async function tryIfUsed(pauseMs: number): Promise<void> {
    const isUsed = database.idleMs() < awakeAfterUseMs;
    if (isUsed || clock.nowMs() >= triedAtMs + unusedPauseMs) {
      unusedPauseMs = isUsed ? 0 : Math.min(pauseMsMax, Math.max(pauseMs, unusedPauseMs * 2));
      return tryOnce();
    }
    cancel = clock.setTimer(obstaclePauseMs, () => void tryIfUsed(pauseMs), { isBackground: true });
  }

  async function tryOnce(): Promise<void> {
    triedAtMs = clock.nowMs();
    try {
      if (await database.run(hasFunctions, { deadlineMs: rehearsalDeadlineMs })) {
        const { rehearse } = await import("../store/migration/rehearsal.ts");
        const found = await rehearse(database, { defaultTurma, deadlineMs: rehearsalDeadlineMs });
        const isNew = report === undefined || toKey(found) !== toKey(report);
        if (isNew) logReport(log, found);
        report = { ...found, since: isNew || !report ? new Date(clock.nowMs()).toISOString() : report.since };
      }
    } catch (error) {
      const isUnavailable = error instanceof AppError && error.code === "unavailable";
      log[isUnavailable ? "debug" : "error"]({ err: error }, "[Rehearsal] It could not run and is retried");
    }
    if (isStopped || report?.obstacles.length === 0) return;
    const pauseMs = report === undefined ? unknownPauseMs : obstaclePauseMs;
    cancel = clock.setTimer(pauseMs, () => void tryIfUsed(pauseMs), { isBackground: true });
  }

  if (afterMs === undefined) void tryOnce();
  else cancel = clock.setTimer(afterMs, () => void tryOnce(), { isBackground: true });
  return {
    findReport: () => report,
    stop: () => {
      isStopped = true;
      cancel();
    },
  };
}

/** The key by which reports are compared: names only, because the sentences contain made-up addresses, which differ. */
function toKey({ obstacles, warnings }: RehearsalReport): string {
  return JSON.stringify([listNames(obstacles), listNames(warnings)]);
}

function logReport(log: Log, { obstacles, warnings }: RehearsalReport): void {
  for (const warning of listNames(warnings)) log.warn(`[Rehearsal] ${warning}`);
  for (const obstacle of listNames(obstacles)) log.error(`[Rehearsal] Obstacle: ${obstacle}; run doctor`);
  if (obstacles.length === 0) log.info("[Rehearsal] Made-up users were stored, linked and deleted without obstacles");
}

/** The names of the findings, each once. Unlike the sentences they may be logged and shown to any client. */
export function listNames(findings: readonly RehearsalFinding[]): string[] {
  return [...new Set(findings.map(({ names }) => names))];
}
