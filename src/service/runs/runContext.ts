import type { ClerkApi } from "../../clerk/clerkApi.ts";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { Database } from "../../store/connection/database.ts";
import type { OpenRun } from "../../store/runs/runLease.ts";
import type { RunWriter } from "./runWriter.ts";

/** What a backfill or reconcile works with. */
export interface RunContext {
  readonly run: OpenRun;
  /** This process, as its lease has it. */
  readonly owner: string;
  readonly database: Database;
  /** See `createRetryingClerk`; its calls end when the run is stopped. */
  readonly clerk: ClerkApi;
  readonly writer: RunWriter;
  readonly log: Log;
  readonly clock: Clock;
}
