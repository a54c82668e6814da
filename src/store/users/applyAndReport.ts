import type { Outcome } from "../../domain/outcome.ts";
import type { UserChange } from "../../domain/userChange.ts";
import type { UserStatus } from "../../domain/userStatus.ts";
import { parseOutcomes, toBatch, toBatchItem } from "./userBatch.ts";
import type { Database } from "../connection/database.ts";
import { toUserStatus } from "./userStatus.ts";

const reportDeadlineMs = 5_000;

export interface ChangeReport {
  readonly outcome: Outcome;
  readonly before: UserStatus;
  readonly after: UserStatus;
}

/**
 * Applies one change of a user and tells what it found and left; one round trip. A dry run does all of it and undoes
 * it in the database.
 */
export async function applyAndReport(
  database: Database,
  input: { change: UserChange & { clerkId: string }; dryRun: boolean; defaultTurma: string },
): Promise<ChangeReport> {
  const { json, texts } = toBatch([toBatchItem(input.change)], input.defaultTurma);
  const argument = `{"batch":${json},"dry_run":${input.dryRun},"states":true}`;
  const answer = await database.callFunction("apply_and_report", argument, { texts, deadlineMs: reportDeadlineMs });
  const { outcomes, before, after } = answer as { outcomes: unknown; before: unknown[]; after: unknown[] };
  const [outcome] = parseOutcomes(outcomes, 1);
  if (outcome === undefined) throw new Error("apply_and_report answered no outcome");
  const { clerkId } = input.change;
  return { outcome, before: toUserStatus(clerkId, before[0]), after: toUserStatus(clerkId, after[0]) };
}
