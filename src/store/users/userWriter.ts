import type { Outcome } from "../../domain/outcome.ts";
import type { RunCursor } from "../../domain/runCursor.ts";
import type { UserChange } from "../../domain/userChange.ts";
import type { UserStatus } from "../../domain/userStatus.ts";
import type { Database } from "../connection/database.ts";
import { inBackground } from "../connection/inBackground.ts";
import { leaseMs } from "../runs/runLease.ts";
import { toWire } from "../wire.ts";
import { isBusy } from "../connection/pgErrors.ts";
import { toBusyError } from "../connection/refusal.ts";
import { parseOutcomes, toBatch, toBatchItem, type BatchItem, type BatchOutcome } from "./batchItem.ts";
import { toUserStatus } from "./userStatus.ts";

const reportDeadlineMs = 5_000;
/** A page of 500 takes some 30 ms of database time, the wait for the writer's lock up to 3 s. */
const pageDeadlineMs = 8_000;
/** SQLSTATE of `apply_run_page` if another process has taken over the run. */
const lostRunState = "LOSTR";

/** Outcome of one change, with the user's status before and after it. */
export interface ChangeReport {
  readonly outcome: Outcome;
  readonly before: UserStatus;
  readonly after: UserStatus;
}

/** A page of changes, and the run's cursor after it. */
export interface RunPage {
  readonly runId: string;
  readonly owner: string;
  /** Number of pages saved before this one. */
  readonly step: number;
  readonly items: readonly BatchItem[];
  /** Number of users that this page adds to the run's `seen`. */
  readonly seen: number;
  readonly cursor: RunCursor;
  /** Evidence that users have left an address that an item needs: their newer, unwritten versions. See release_addresses.sql. */
  readonly leaving?: readonly BatchItem[] | undefined;
}

/** Result of a batch. */
export interface BatchResult {
  /** One per item, in order. */
  readonly outcomes: readonly BatchOutcome[];
  /** Milliseconds of database time, without round trip and the wait for the writer's lock. */
  readonly writerMs: number;
}

/** Result of a page; `lost`: another process has taken over the run. */
export type RunPageResult =
  | {
      readonly state: "saved";
      /** Users with the outcome `busy`. */ readonly busyClerkIds: readonly string[];
      readonly writerMs: number;
    }
  | { readonly state: "cancelled" | "lost" };

/**
 * Writes every change from Clerk. Each call is one SQL function and one round trip.
 * @throws AppError `unavailable`; Postgres' own error if a row is refused (`isRefusal`) or cannot be written now (`isBusy`):
 * then nothing was written
 */
export interface UserWriter {
  readonly apply: (
    items: readonly BatchItem[],
    options: {
      deadlineMs: number;
      /** Maximum wait for a locked row; default as in lock_writer, 50 ms. */ lockWaitMs?: number | undefined;
    },
  ) => Promise<BatchResult>;
  /** Applies one change and reports the status before and after. A dry run is rolled back in the database. */
  readonly applyAndReport: (input: {
    change: UserChange & { clerkId: string };
    dryRun: boolean;
  }) => Promise<ChangeReport>;
  /** Applies a page and saves the cursor in the same transaction. Idempotent. */
  readonly applyRunPage: (page: RunPage) => Promise<RunPageResult>;
}

/** @param deps.defaultTurma class of new mentorados; undefined: see find_default_turma in rules.sql */
export function createUserWriter(deps: { database: Database; defaultTurma: string | undefined }): UserWriter {
  const { database, defaultTurma } = deps;
  return {
    apply: async (items, { deadlineMs, lockWaitMs }) => {
      const { json, texts } = toBatch(items, defaultTurma, { lockWaitMs });
      const answer = await database.callFunction("apply_user_changes", json, { texts, deadlineMs });
      const { outcomes, ms } = answer as { outcomes: unknown; ms: number };
      return { outcomes: parseOutcomes(outcomes, items.length), writerMs: ms };
    },

    applyAndReport: async ({ change, dryRun }) => {
      const { json, texts } = toBatch([toBatchItem(change)], defaultTurma);
      const argument = `{"batch":${json},"dry_run":${dryRun}}`;
      const answer = await database
        .callFunction("apply_and_report", argument, { texts, deadlineMs: reportDeadlineMs })
        .catch((error: unknown) => {
          throw isBusy(error) ? toBusyError(error) : error;
        });
      const { outcomes, before, after } = answer as { outcomes: unknown; before: unknown[]; after: unknown[] };
      const [outcome] = parseOutcomes(outcomes, 1);
      if (outcome === undefined) throw new Error("apply_and_report answered no outcome");
      if (outcome === "busy") throw toBusyError();
      const { clerkId } = change;
      return { outcome, before: toUserStatus(clerkId, before[0]), after: toUserStatus(clerkId, after[0]) };
    },

    applyRunPage: async (page) => {
      const { items, leaving, ...rest } = page;
      const { json, texts } = toBatch(items, defaultTurma, { leaving });
      const head = toWire({ ...rest, leaseMs, clerkIds: items.map((item) => item.clerkId) });
      const argument = `${head.slice(0, -1)},"batch":${json}}`;
      try {
        const call = { texts, deadlineMs: pageDeadlineMs };
        const answer = await inBackground(database).callFunction("apply_run_page", argument, call);
        const { state, busy, ms } = answer as { state: RunPageResult["state"]; busy: string[]; ms: number };
        return state === "saved" ? { state, busyClerkIds: busy, writerMs: ms } : { state };
      } catch (error) {
        if ((error as { code?: unknown }).code === lostRunState) return { state: "lost" };
        throw error;
      }
    },
  };
}
