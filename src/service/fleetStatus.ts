import type { Database } from "../store/database.ts";
import { findEventFigures, findUserFigures, type EventFigures, type UserFigures } from "../store/fleetFigures.ts";
import { findLastReconcileDrift, findNewestRun } from "../store/syncRuns.ts";
import type { SyncRun } from "../domain/syncRun.ts";

/**
 * Counting a million users takes a core some 0.4 s, so figures are shared for a while: two seconds old at most when they
 * are answered, half a second of which is left for the rest of the answer.
 */
const userFiguresMaxAgeMs = 1_500;

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
    // Their age counts from before the question, for that is the moment they describe.
    const entry = { atMs: Date.now(), figures: findUserFigures(database) };
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
