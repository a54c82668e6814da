import type { ClerkApi } from "../clerk/clerkApi.ts";
import { systemClock, type Clock } from "../clock.ts";
import { AppError } from "../errors.ts";
import type { Database } from "../store/connection/database.ts";
import { inBackground } from "../store/connection/inBackground.ts";
import { findLedgerInstanceId } from "../store/events/findLedgerInstanceId.ts";
import { listNewestActiveUsers } from "../store/runs/reconcileRows.ts";

/** As many as Clerk answers at once. */
const groupUsers = 100;
/** Two thousand of the newest users, and Clerk knows none of them: that is no chance. */
const groupsMax = 20;

/** The end of what is said of a key of another instance, in a run's `error` too. */
export const wrongKeyAdvice = "Nothing was written or deleted; set the CLERK_SECRET_KEY of the right instance.";

/** Whether `CLERK_SECRET_KEY` belongs to the Clerk instance whose users are here (CONTRACT 8.7). */
export interface InstanceCheck {
  /**
   * Compares the instance that Clerk names with `CLERK_INSTANCE_ID`, else with the ledger's. `unnamed`: Clerk names
   * none. `unexpected`: it names one, and nothing here says which it should be. What was proved once holds for the life of the process, as its key does.
   * @throws AppError `precondition_failed` naming both if they differ; what `ClerkApi` and the database throw
   */
  readonly requireSameInstance: (clerk: ClerkApi) => Promise<"proved" | "unnamed" | "unexpected">;
  /**
   * Where nothing names the instance: the key has to know an active user of this database, if there is any.
   * @param options.except the user in question: absent at Clerk, or about to be written
   * @throws AppError `precondition_failed` if it knows none; what `ClerkApi` and the database throw
   */
  readonly requireKnownUser: (clerk: ClerkApi, options?: { readonly except?: string }) => Promise<void>;
  /** The first refusal of this process, as long as its key is not proved. */
  readonly findRefusal: () => { readonly text: string; readonly since: string } | null;
}

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

  return {
    requireSameInstance: async (clerk) => {
      if (isProved) return "proved";
      const named = (await clerk.findInstanceId?.()) ?? null;
      if (named === null) return "unnamed";
      const difference = findDifference(named, await findExpectedInstance(database, clerkInstanceId));
      if (difference === undefined) return "unexpected";
      if (difference !== null) refuse(difference);
      isProved = true;
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
          isProved = true;
          return;
        }
        beforeUserId = last.userId;
      }
      refuse("Clerk knows none of the users who are active here");
    },
    findRefusal: () => (isProved ? null : refusal),
  };
}

/** The instance whose users are here, and who says so; null: nothing says. */
export interface ExpectedInstance {
  readonly instanceId: string;
  readonly saidBy: "configuration" | "ledger";
}

export async function findExpectedInstance(
  database: Database,
  clerkInstanceId: string | undefined,
): Promise<ExpectedInstance | null> {
  if (clerkInstanceId !== undefined) return { instanceId: clerkInstanceId, saidBy: "configuration" };
  const instanceId = await findLedgerInstanceId(database);
  return instanceId === null ? null : { instanceId, saidBy: "ledger" };
}

/** How the key's instance differs from the one expected, in words; null: not at all; undefined: nothing is expected. */
export function findDifference(named: string, expected: ExpectedInstance | null): string | null | undefined {
  if (expected === null) return undefined;
  if (expected.instanceId === named) return null;
  const other = expected.saidBy === "configuration" ? "CLERK_INSTANCE_ID is" : "the events stored here are of instance";
  return `CLERK_SECRET_KEY belongs to instance ${named}, but ${other} ${expected.instanceId}`;
}
