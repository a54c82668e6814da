import { systemClock, type Clock } from "../clock.ts";
import type { Database } from "../store/connection/database.ts";
import { findEventFigures, findUserFigures, type EventFigures, type UserFigures } from "../store/status/figures.ts";
import type { Alarm } from "../domain/alarm.ts";
import type { SyncRun } from "../domain/syncRun.ts";
import { findAlarmFigures } from "../store/status/alarmFigures.ts";
import { hasDefaultTurma, listTurmaLabels } from "../store/migration/turma.ts";
import { findAlarms, type ProcessFacts, type StoredFigures } from "./findAlarms.ts";
import type { InstanceCheck } from "./instanceCheck.ts";

/**
 * Counting a million users takes 0.4 s of one core, so the figures are cached. An answer promises figures at most 2 s
 * old; this leaves 0.5 s for its other queries.
 */
const userFiguresMaxAgeMs = 1_500;

/** Answer of `sync.status`. */
export interface SyncStatus extends UserFigures, EventFigures {
  readonly lastRun: SyncRun | null;
  /** Creates, updates and deletes that the last `done` reconcile found; null before the first. */
  readonly drift: number | null;
  /** Critical ones first. */
  readonly alarms: readonly Alarm[];
}

/** The process facts that the HTTP server provides. */
export type ServerFacts = Omit<ProcessFacts, "wrongKey">;

/** Status of the sync as a whole. */
export interface StatusService {
  /** The counts of users may be up to 1.5 s old. @throws AppError `unavailable` if the database is */
  readonly getStatus: () => Promise<SyncStatus>;
  /** The alarms as of the figures that this process last read. Does not use the database. */
  readonly listKnownAlarms: () => readonly Alarm[];
  /** Sets where the server's facts are read; a later call replaces an earlier one. */
  readonly watch: (findFacts: () => ServerFacts) => void;
}

/** Create one per process, because it caches the user figures. */
export function createStatusService(deps: {
  database: Database;
  defaultTurma?: string | undefined;
  instanceCheck?: Pick<InstanceCheck, "findRefusal"> | undefined;
  clock?: Clock | undefined;
}): StatusService {
  const { database, clock = systemClock } = deps;
  let findServerFacts: () => ServerFacts = () => ({ clockOffsetSeconds: null, rehearsal: null });
  let known: { readonly figures: StoredFigures; readonly atMs: number } | undefined;

  function listKnownAlarms(): readonly Alarm[] {
    const facts = { ...findServerFacts(), wrongKey: deps.instanceCheck?.findRefusal() ?? null };
    // Computes ages as of the time of the figures, which lack all later deliveries.
    return findAlarms(known?.figures ?? null, facts, known?.atMs ?? clock.nowMs());
  }
  let cached: { figures: Promise<UserFigures>; atMs: number; isUnderWay: boolean } | undefined;

  async function findCachedUserFigures(): Promise<UserFigures> {
    for (;;) {
      if (cached && clock.nowMs() - cached.atMs < userFiguresMaxAgeMs) return cached.figures;
      if (!cached?.isUnderWay) return startCounting();
      // The count under way is too old for this caller, but a second one would slow both down: waits until it ends.
      await cached.figures.catch(() => undefined);
    }
  }

  function startCounting(): Promise<UserFigures> {
    // The time before the query, because the figures are as of its start.
    const entry = { atMs: clock.nowMs(), figures: findUserFigures(database), isUnderWay: true };
    cached = entry;
    entry.figures.then(
      () => (entry.isUnderWay = false),
      () => {
        if (cached === entry) cached = undefined;
      },
    );
    return entry.figures;
  }

  return {
    listKnownAlarms,
    watch: (findFacts) => {
      findServerFacts = findFacts;
    },
    getStatus: async () => {
      // Loaded at the first use: drizzle would take a tenth of the start time.
      const { findLastReconcile, listRuns } = await import("../store/runs/syncRuns.ts");
      const atMs = clock.nowMs();
      const [userFigures, eventFigures, alarmFigures, [lastRun = null], lastReconcile, labels] = await Promise.all([
        findCachedUserFigures(),
        findEventFigures(database),
        findAlarmFigures(database),
        listRuns(database, { limit: 1 }),
        findLastReconcile(database),
        database.run(listTurmaLabels),
      ]);
      const hasTurma = hasDefaultTurma(labels, deps.defaultTurma);
      const figures = { ...userFigures, ...eventFigures, ...alarmFigures, lastReconcile, hasDefaultTurma: hasTurma };
      known = { figures, atMs };
      const drift = lastReconcile?.drift ?? null;
      return { ...userFigures, ...eventFigures, lastRun, drift, alarms: listKnownAlarms() };
    },
  };
}
