import type { ClerkApi } from "../clerk/clerkApi.ts";
import { systemClock, type Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Database } from "../store/connection/database.ts";
import { inBackground } from "../store/connection/inBackground.ts";
import { findLedgerInstanceId } from "../store/events/findLedgerInstanceId.ts";
import { listNewestActiveUsers } from "../store/runs/reconcileRows.ts";

/** The most that Clerk answers in one request. */
const groupUsers = 100;
/** If Clerk knows none of the 2,000 newest users, the key belongs to another instance. */
const groupsMax = 20;

/** End of every error about a key of another instance. `findAlarms` recognises the `error` of a failed run by it. */
export const wrongKeyAdvice = "Nothing was written or deleted; set the CLERK_SECRET_KEY of the right instance.";

/** Verifies that `CLERK_SECRET_KEY` belongs to the Clerk instance whose users this database holds. */
export interface InstanceCheck {
  /**
   * Compares the instance that Clerk names with `CLERK_INSTANCE_ID`, else with the instance of the ledger's events.
   * `unnamed`: Clerk names no instance. `unexpected`: it names one, but neither configuration nor ledger says which is
   * expected.
   * @param options.mayBeRemembered an earlier match in this process is enough: Clerk is not asked again
   * @throws AppError `precondition_failed` naming both if they differ; errors of `ClerkApi` and the database
   */
  readonly requireSameInstance: (
    clerk: ClerkApi,
    options?: { readonly mayBeRemembered?: boolean },
  ) => Promise<"proved" | "unnamed" | "unexpected">;
  /**
   * The check if one of the two instances is unknown: Clerk must know at least one active user of this database. Passes
   * if there is no active user.
   * @param options.except the user to be written or deleted, who is left out of the check
   * @throws AppError `precondition_failed` if Clerk knows none; errors of `ClerkApi` and the database
   */
  readonly requireKnownUser: (clerk: ClerkApi, options?: { readonly except?: string }) => Promise<void>;
  /** The first mismatch since the key was last proved; null: none. */
  readonly findRefusal: () => { readonly text: string; readonly since: string } | null;
}

/** Create one per process, because it remembers the newest result. */
export function createInstanceCheck(deps: {
  database: Database;
  /** `CLERK_INSTANCE_ID` */
  clerkInstanceId?: string | undefined;
  clock?: Clock | undefined;
}): InstanceCheck {
  const { clerkInstanceId, clock = systemClock } = deps;
  const database = inBackground(deps.database);
  let isProved = false;
  let refusal: { text: string; since: string } | null = null;

  function refuse(why: string): never {
    const text = `${why}. ${wrongKeyAdvice}`;
    refusal ??= { text, since: new Date(clock.nowMs()).toISOString() };
    throw new AppError("precondition_failed", text);
  }

  function accept(): void {
    isProved = true;
    refusal = null;
  }

  return {
    requireSameInstance: async (clerk, { mayBeRemembered = false } = {}) => {
      if (mayBeRemembered && isProved) return "proved";
      isProved = false;
      const named = (await clerk.findInstanceId?.()) ?? null;
      if (named === null) return "unnamed";
      const difference = findDifference(named, await findExpectedInstance(database, clerkInstanceId));
      if (difference === undefined) return "unexpected";
      if (difference !== null) refuse(difference);
      accept();
      return "proved";
    },
    requireKnownUser: async (clerk, { except } = {}) => {
      if (isProved) return;
      let beforeUserId: number | undefined;
      for (let groups = 0; groups < groupsMax; groups += 1) {
        const rows = await listNewestActiveUsers(database, { beforeUserId, except, limit: groupUsers });
        const last = rows.at(-1);
        if (last === undefined && groups === 0) return;
        if (last === undefined) break;
        if ((await clerk.findUsers(rows.map((row) => row.clerkId))).length > 0) {
          accept();
          return;
        }
        beforeUserId = last.userId;
      }
      refuse("Clerk knows none of the users who are active here");
    },
    findRefusal: () => refusal,
  };
}

/** The instance that the key should belong to, and where that is known from. */
export interface ExpectedInstance {
  readonly instanceId: string;
  readonly saidBy: "configuration" | "ledger";
}

/** @returns null if neither configuration nor ledger names an instance */
export async function findExpectedInstance(
  database: Database,
  clerkInstanceId: string | undefined,
): Promise<ExpectedInstance | null> {
  if (clerkInstanceId !== undefined) return { instanceId: clerkInstanceId, saidBy: "configuration" };
  const instanceId = await findLedgerInstanceId(database);
  return instanceId === null ? null : { instanceId, saidBy: "ledger" };
}

/** A sentence about the mismatch; null: the instances match; undefined: none is expected. */
export function findDifference(named: string, expected: ExpectedInstance | null): string | null | undefined {
  if (expected === null) return undefined;
  if (expected.instanceId === named) return null;
  const other = expected.saidBy === "configuration" ? "CLERK_INSTANCE_ID is" : "the events stored here are of instance";
  return `CLERK_SECRET_KEY belongs to instance ${named}, but ${other} ${expected.instanceId}`;
}
