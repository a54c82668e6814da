// The compiler of a program that uses this one as a library finds the declaration of `*.sql` only by this reference.
// oxlint-disable-next-line typescript/triple-slash-reference
/// <reference path="../sql.d.ts" />
import journal from "../../../drizzle/meta/_journal.json" with { type: "json" };
import init from "../../../drizzle/0000_init.sql" with { type: "text" };
import statusIndexes from "../../../drizzle/0001_status_indexes.sql" with { type: "text" };
import runPages from "../../../drizzle/0002_run_pages.sql" with { type: "text" };
import lagSums from "../../../drizzle/0003_lag_sums.sql" with { type: "text" };
import refusedEvents from "../../../drizzle/0004_refused_events.sql" with { type: "text" };
import recentCounters from "../../../drizzle/0005_recent_counters.sql" with { type: "text" };
import lighterLedger from "../../../drizzle/0006_lighter_ledger.sql" with { type: "text" };
import roomForVersions from "../../../drizzle/0007_room_for_versions.sql" with { type: "text" };

/** drizzle-kit's journal: tags and times of all migrations, in order. */
export const migrationJournal = journal;
/** SQL by tag, imported so that a single-file build contains it. Add a line per migration; a test compares `drizzle/`. */
export const migrationTexts: Readonly<Record<string, string>> = {
  "0000_init": init,
  "0001_status_indexes": statusIndexes,
  "0002_run_pages": runPages,
  "0003_lag_sums": lagSums,
  "0004_refused_events": refusedEvents,
  "0005_recent_counters": recentCounters,
  "0006_lighter_ledger": lighterLedger,
  "0007_room_for_versions": roomForVersions,
};
