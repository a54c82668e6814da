import type { Outcome } from "../../domain/outcome.ts";
import type { RunCursor } from "../../domain/runCursor.ts";
import type { UserChange } from "../../domain/userChange.ts";
import type { UserStatus } from "../../domain/userStatus.ts";
import type { Database } from "../connection/database.ts";
import { inBackground } from "../connection/inBackground.ts";
import { leaseMs } from "../runs/runLease.ts";
import { toWire } from "../wire.ts";
import { isLocked } from "../connection/pgErrors.ts";
import { locked } from "../connection/refusal.ts";
import { parseOutcomes, toBatch, toBatchItem, type BatchItem, type BatchOutcome } from "./batchItem.ts";
import { toUserStatus } from "./userStatus.ts";

const reportDeadlineMs = 5_000;
/** A page of 500 takes some 30 ms of the database's time; waiting for its turn takes 3 s at most. */
const pageDeadlineMs = 8_000;
/** The SQLSTATE of a page that came too late. */
const lostRunState = "LOSTR";

export interface ChangeReport {
  readonly outcome: Outcome;
  readonly before: UserStatus;
  readonly after: UserStatus;
}

/** A page of a run's changes, and where the run goes on after it. */
export interface RunPage {
  readonly runId: string;
  readonly owner: string;
  /** How many pages were saved before this one. */
  readonly step: number;
  readonly items: readonly BatchItem[];
  /** Users of Clerk that this page adds to those looked at. */
  readonly seen: number;
  readonly cursor: RunCursor;
  /** Users whose newer version, not written, may leave an address that an item takes; see release_addresses. */
  readonly leaving?: readonly BatchItem[] | undefined;
}

/** What became of a batch. */
export interface BatchResult {
  /** One per item, in their order. */
  readonly outcomes: readonly BatchOutcome[];
  /** Milliseconds that the changes took in the database, without waits for locks and without the round trip. */
  readonly writerMs: number;
}

/** What became of a page; `lost`: another process has taken the run over. */
export type RunPageResult =
  | {
      readonly state: "saved";
      /** Users left out, as `busy`. */ readonly busyClerkIds: readonly string[];
      readonly writerMs: number;
    }
  | { readonly state: "cancelled" | "lost" };

/**
 * Every way in which changes of users reach the tables. Each call is one SQL function and one round trip.
 * @throws AppError `unavailable`; Postgres' own error if a row is at fault or locked (see `isLocked`), and then nothing
 * is written
 */
export interface UserWriter {
  readonly apply: (
    items: readonly BatchItem[],
    options: {
      deadlineMs: number;
      /** For a row that is locked; unless given, as in lock_writer. */ lockWaitMs?: number | undefined;
    },
  ) => Promise<BatchResult>;
  /** Applies one change and reports what it found and left. A dry run does all of it and undoes it in the database. */
  readonly applyAndReport: (input: {
    change: UserChange & { clerkId: string };
    dryRun: boolean;
  }) => Promise<ChangeReport>;
  /** Applies a page and saves in the same transaction where the run goes on. Safe to repeat. */
  readonly applyRunPage: (page: RunPage) => Promise<RunPageResult>;
}

/** @param deps.defaultTurma class of a mentorado that the sync creates; undefined: see find_default_turma */
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
      const argument = `{"batch":${json},"dry_run":${dryRun},"states":true}`;
      const answer = await database
        .callFunction("apply_and_report", argument, { texts, deadlineMs: reportDeadlineMs })
        .catch((error: unknown) => {
          throw isLocked(error) ? locked(error) : error;
        });
      const { outcomes, before, after } = answer as { outcomes: unknown; before: unknown[]; after: unknown[] };
      const [outcome] = parseOutcomes(outcomes, 1);
      if (outcome === undefined) throw new Error("apply_and_report answered no outcome");
      if (outcome === "busy") throw locked();
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
