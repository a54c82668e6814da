import { systemClock, type Clock } from "../clock.ts";
import type { Database } from "../store/connection/database.ts";
import { findEventFigures, findUserFigures, type EventFigures, type UserFigures } from "../store/status/figures.ts";
import { findLastReconcileDrift, findNewestRun } from "../store/runs/syncRuns.ts";
import type { SyncRun } from "../domain/syncRun.ts";

/**
 * Counting a million users takes a core some 0.4 s, so figures are shared for a while: two seconds old at most when they
 * are answered, half a second of which is left for the rest of the answer.
 */
const userFiguresMaxAgeMs = 1_500;

export interface SyncStatus extends UserFigures, EventFigures {
  readonly lastRun: SyncRun | null;
  /** Creates, updates and deletes that the last finished reconcile found; null before the first. */
  readonly drift: number | null;
}

export interface StatusService {
  readonly getStatus: () => Promise<SyncStatus>;
}

export function createStatusService(deps: { database: Database; clock?: Clock | undefined }): StatusService {
  const { database, clock = systemClock } = deps;
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
