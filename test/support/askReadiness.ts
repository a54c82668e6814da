import { systemClock } from "../../src/clock.ts";
import { createClockWatch } from "../../src/http/clockWatch.ts";
import { createReadiness, type Readiness } from "../../src/http/readiness.ts";
import { silentLog } from "../../src/log.ts";
import type { BackgroundRehearsal } from "../../src/service/startRehearsal.ts";
import type { Database } from "../../src/store/connection/database.ts";

/** What `/readyz` answers of this database and this rehearsal. */
export function askReadiness(database: Database, rehearsal: BackgroundRehearsal): Promise<Readiness> {
  return createReadiness({
    database,
    clock: systemClock,
    log: silentLog,
    clockWatch: createClockWatch({ secrets: [], log: silentLog, clock: systemClock }),
    findRehearsal: rehearsal.findReport,
    isDraining: () => false,
  })();
}
