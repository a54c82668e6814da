import type { ClerkApi } from "../../clerk/clerkApi.ts";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { Database } from "../../store/connection/database.ts";
import type { OpenRun } from "../../store/runs/runLease.ts";
import type { RunWriter } from "./runWriter.ts";

/** Dependencies of a running backfill or reconcile. */
export interface RunContext {
  readonly run: OpenRun;
  /** This process, as named in the lease. */
  readonly owner: string;
  readonly database: Database;
  /** See `createRetryingClerk`; its calls end when the run is stopped. */
  readonly clerk: ClerkApi;
  readonly writer: RunWriter;
  readonly log: Log;
  readonly clock: Clock;
}
