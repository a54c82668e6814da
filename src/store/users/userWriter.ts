import type { Outcome } from "../../domain/outcome.ts";
import type { RunCursor } from "../../domain/runCursor.ts";
import type { UserChange } from "../../domain/userChange.ts";
import type { UserStatus } from "../../domain/userStatus.ts";
import type { Database } from "../connection/database.ts";
import { leaseMs } from "../runs/runLease.ts";
import { toWire } from "../wire.ts";
import { parseOutcomes, toBatch, toBatchItem, type BatchItem } from "./batchItem.ts";
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
  readonly lookedAt: number;
  readonly cursor: RunCursor;
}

/**
 * Every way in which changes of users reach the tables. Each call is one SQL function and one round trip.
 * @throws AppError `unavailable`; Postgres' own error if a row is at fault, and then nothing is written
 */
export interface UserWriter {
  /** Applies a batch; answers one outcome per item, in their order. */
  readonly apply: (items: readonly BatchItem[], options: { deadlineMs: number }) => Promise<Outcome[]>;
  /** Applies one change and reports what it found and left. A dry run does all of it and undoes it in the database. */
  readonly applyAndReport: (input: {
    change: UserChange & { clerkId: string };
    dryRun: boolean;
  }) => Promise<ChangeReport>;
  /** Applies a page and saves in the same transaction where the run goes on. Safe to repeat. */
  readonly applyRunPage: (page: RunPage) => Promise<"saved" | "cancelled" | "lost">;
}

/** @param deps.defaultTurma class of a mentorado that the sync creates; undefined: see find_default_turma */
export function createUserWriter(deps: { database: Database; defaultTurma: string | undefined }): UserWriter {
  const { database, defaultTurma } = deps;
  return {
    apply: async (items, { deadlineMs }) => {
      const { json, texts } = toBatch(items, defaultTurma);
      const answer = await database.callFunction("apply_user_changes", json, { texts, deadlineMs });
      return parseOutcomes(answer, items.length);
    },

    applyAndReport: async ({ change, dryRun }) => {
      const { json, texts } = toBatch([toBatchItem(change)], defaultTurma);
      const argument = `{"batch":${json},"dry_run":${dryRun},"states":true}`;
      const answer = await database.callFunction("apply_and_report", argument, { texts, deadlineMs: reportDeadlineMs });
      const { outcomes, before, after } = answer as { outcomes: unknown; before: unknown[]; after: unknown[] };
      const [outcome] = parseOutcomes(outcomes, 1);
      if (outcome === undefined) throw new Error("apply_and_report answered no outcome");
      const { clerkId } = change;
      return { outcome, before: toUserStatus(clerkId, before[0]), after: toUserStatus(clerkId, after[0]) };
    },

    applyRunPage: async (page) => {
      const { items, ...rest } = page;
      const { json, texts } = toBatch(items, defaultTurma);
      const head = toWire({ ...rest, leaseMs, clerkIds: items.map((item) => item.clerkId) });
      const argument = `${head.slice(0, -1)},"batch":${json}}`;
      try {
        const answer = await database.callFunction("apply_run_page", argument, { texts, deadlineMs: pageDeadlineMs });
        return (answer as { state: "saved" | "cancelled" | "lost" }).state;
      } catch (error) {
        if ((error as { code?: unknown }).code === lostRunState) return "lost";
        throw error;
      }
    },
  };
}
