import { systemClock, type Clock } from "../clock.ts";
import type { Database } from "../store/connection/database.ts";
import { findEventFigures, findUserFigures, type EventFigures, type UserFigures } from "../store/status/figures.ts";
import { findLastReconcile, findNewestRun } from "../store/runs/syncRuns.ts";
import type { Alarm } from "../domain/alarm.ts";
import type { SyncRun } from "../domain/syncRun.ts";
import { findAlarmFigures } from "../store/status/alarmFigures.ts";
import { hasDefaultTurma, listTurmaLabels } from "../store/migration/turma.ts";
import { findAlarms, type ProcessFacts, type StoredFigures } from "./findAlarms.ts";
import type { InstanceCheck } from "./instanceCheck.ts";

/**
 * Counting a million users takes a core some 0.4 s, so figures are shared for a while: two seconds old at most when they
 * are answered, half a second of which is left for the rest of the answer.
 */
const userFiguresMaxAgeMs = 1_500;

export interface SyncStatus extends UserFigures, EventFigures {
  readonly lastRun: SyncRun | null;
  /** Creates, updates and deletes that the last finished reconcile found; null before the first. */
  readonly drift: number | null;
  /** What has to be settled, the critical ones first. */
  readonly alarms: readonly Alarm[];
}

/** What only the HTTP side of a server knows. */
export type ServerFacts = Omit<ProcessFacts, "wrongKey">;

export interface StatusService {
  readonly getStatus: () => Promise<SyncStatus>;
  /** The alarms by the figures that this process last read, and by what it knows itself; asks no database. */
  readonly listKnownAlarms: () => readonly Alarm[];
  /** Tells where a server's own facts are read; the newest wins. */
  readonly watch: (findFacts: () => ServerFacts) => void;
}

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
    // Of the moment of the figures: what arrived since is not known.
    return findAlarms(known?.figures ?? null, facts, known?.atMs ?? clock.nowMs());
  }
  let cached: { figures: Promise<UserFigures>; atMs: number; isUnderWay: boolean } | undefined;

  async function findCachedUserFigures(): Promise<UserFigures> {
    for (;;) {
      if (cached && clock.nowMs() - cached.atMs < userFiguresMaxAgeMs) return cached.figures;
      if (!cached?.isUnderWay) return startCounting();
      // Too old to share, but a second count beside it would only make both slower. Its caller hears if it
      // fails; here it only has to be over.
      await cached.figures.catch(() => undefined);
    }
  }

  function startCounting(): Promise<UserFigures> {
    // Their age counts from before the question, for that is the moment they describe.
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
      const atMs = clock.nowMs();
      const [userFigures, eventFigures, alarmFigures, lastRun, lastReconcile, labels] = await Promise.all([
        findCachedUserFigures(),
        findEventFigures(database),
        findAlarmFigures(database),
        findNewestRun(database),
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
