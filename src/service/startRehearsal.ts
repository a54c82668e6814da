import { systemClock, type Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { awakeAfterUseMs, inBackground } from "../store/connection/inBackground.ts";
import { listNames, rehearse, type RehearsalReport } from "../store/migration/rehearsal.ts";
import { hasFunctions } from "../store/migration/sqlFunctions.ts";

const rehearsalDeadlineMs = 5_000;
/** While the database is away, busy or not migrated. */
const unknownPauseMs = 5_000;
/** An obstacle that was removed makes the server ready without a restart; each try holds the writer's lock for some 50 ms. */
const obstaclePauseMs = 30_000;
/** While nothing else uses the database the time between two tries doubles, up to this, so that it can sleep. */
const pauseMsMax = 12 * 3_600_000;

/** `since`: when a rehearsal first found this, ISO 8601. */
export type TimedReport = RehearsalReport & { readonly since: string };

/** A rehearsal in the background. */
export interface BackgroundRehearsal {
  /** What the last one found; undefined: none has ended yet. */
  readonly findReport: () => TimedReport | undefined;
  readonly stop: () => void;
}

/**
 * Rehearses once in the background, with the server's own connection, and again while that was not possible or
 * something was in the way. Logs the names of what it finds.
 */
export function startRehearsal(deps: {
  database: Database;
  defaultTurma?: string | undefined;
  log: Log;
  clock?: Clock | undefined;
}): BackgroundRehearsal {
  const { defaultTurma, log, clock = systemClock } = deps;
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
      const isMigrated = await database.run(hasFunctions, { deadlineMs: rehearsalDeadlineMs });
      const found = isMigrated
        ? await rehearse(database, { defaultTurma, deadlineMs: rehearsalDeadlineMs })
        : undefined;
      if (found !== undefined) {
        const isNew = report === undefined || toKey(found) !== toKey(report);
        if (isNew) logReport(log, found);
        report = { ...found, since: isNew || !report ? new Date(clock.nowMs()).toISOString() : report.since };
      }
    } catch (error) {
      const isUnavailable = error instanceof AppError && error.code === "unavailable";
      log[isUnavailable ? "debug" : "error"]({ err: error }, "[Rehearsal] It could not be held; it is tried again");
    }
    if (isStopped || report?.obstacles.length === 0) return;
    const pauseMs = report === undefined ? unknownPauseMs : obstaclePauseMs;
    cancel = clock.setTimer(pauseMs, () => void tryIfUsed(pauseMs), { isBackground: true });
  }

  void tryOnce();
  return {
    findReport: () => report,
    stop: () => {
      isStopped = true;
      cancel();
    },
  };
}

/** Sentences differ from one rehearsal to the next: the made-up addresses do. */
function toKey({ obstacles, warnings }: RehearsalReport): string {
  return JSON.stringify([listNames(obstacles), listNames(warnings)]);
}

function logReport(log: Log, { obstacles, warnings }: RehearsalReport): void {
  for (const warning of listNames(warnings)) log.warn(`[Rehearsal] ${warning}`);
  for (const obstacle of listNames(obstacles)) log.error(`[Rehearsal] In the way: ${obstacle}; doctor says more`);
  if (obstacles.length === 0)
    log.info("[Rehearsal] Made-up users were stored, linked and deleted; nothing is in the way");
}
