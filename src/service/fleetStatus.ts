import type { Database } from "../store/database.ts";
import { findEventFigures, findUserFigures, type EventFigures, type UserFigures } from "../store/fleetFigures.ts";
import { findLastReconcileDrift, findNewestRun } from "../store/syncRuns.ts";
import type { SyncRun } from "../domain/syncRun.ts";

/** Counting users and links reads more than counters do; nobody sees the difference of two seconds. */
const userFiguresMaxAgeMs = 2_000;

export interface FleetStatus extends UserFigures, EventFigures {
  readonly lastRun: SyncRun | null;
  /** Creates, updates and deletes that the last finished reconcile found; null before the first. */
  readonly drift: number | null;
}

export interface FleetService {
  readonly getStatus: () => Promise<FleetStatus>;
}

export function createFleetService(deps: { database: Database }): FleetService {
  const { database } = deps;
  let cached: { figures: Promise<UserFigures>; atMs: number } | undefined;

  function findCachedUserFigures(): Promise<UserFigures> {
    if (cached && Date.now() - cached.atMs < userFiguresMaxAgeMs) return cached.figures;
    const entry = { figures: findUserFigures(database), atMs: Date.now() };
    cached = entry;
    entry.figures.catch(() => {
      if (cached === entry) cached = undefined;
    });
    return entry.figures;
  }

  return {
    getStatus: async () => {
      const [userFigures, eventFigures, lastRun, drift] = await Promise.all([
        findCachedUserFigures(),
        findEventFigures(database),
        findNewestRun(database),
        findLastReconcileDrift(database),
      ]);
      return { ...userFigures, ...eventFigures, lastRun, drift };
    },
  };
}
