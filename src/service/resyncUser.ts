import { AppError, errorTexts } from "../errors.ts";
import type { ClerkApi } from "../clerk/clerkApi.ts";
import { toUserDeletion, toUserUpsert } from "../clerk/userChange.ts";
import type { LinkState, Outcome } from "../domain/outcome.ts";
import type { UserDeletion, UserUpsert } from "../domain/userChange.ts";
import type { UserRow, UserStatus } from "../domain/userStatus.ts";
import type { InstanceCheck } from "./instanceCheck.ts";
import type { ChangeReport } from "../store/users/userWriter.ts";

/** A user's row and link, before or after a re-sync. */
export type ResyncSide = UserRow & { readonly link: LinkState; readonly mentoradoId: number | null };

/** Answer of `sync.resync`. In a dry run `after` is what a re-sync would leave. */
export interface ResyncResult {
  readonly clerkId: string;
  readonly outcome: Outcome;
  readonly dryRun: boolean;
  readonly before: ResyncSide | null;
  readonly after: ResyncSide | null;
  /** Names of the fields in which `before` and `after` differ, without the sync's bookkeeping. */
  readonly changed: string[];
}

/** Fields about the sync of a row, not about the user. */
const bookkeeping: ReadonlySet<string> = new Set([
  "updatedAt",
  "syncedAt",
  "syncSource",
  "clerkUpdatedAt",
  "createdAt",
  "id",
]);

/** Fetches the user from Clerk and applies the answer. */
export async function resyncUser(input: {
  clerkId: string;
  dryRun: boolean;
  clerk: ClerkApi;
  instanceCheck: InstanceCheck;
  /** Epoch milliseconds before the request to Clerk. */
  requestedAtMs: number;
  findStatus: (clerkId: string) => Promise<UserStatus>;
  report: (change: UserUpsert | UserDeletion) => Promise<ChangeReport>;
}): Promise<ResyncResult> {
  const { clerkId, dryRun } = input;
  const from = { source: "resync", requestedAtMs: input.requestedAtMs } as const;
  const { clerk, instanceCheck } = input;
  const [user, instance] = await Promise.all([clerk.getUser(clerkId), instanceCheck.requireSameInstance(clerk)]);
  if (user === null || instance === "unexpected") {
    const isMissing = (await input.findStatus(clerkId)).state === "missing";
    if (user === null && isMissing) throw new AppError("not_found", errorTexts.unknownUser);
    // A user whom both Clerk and the database know is proof enough. If Clerk names no instance, a user whom it returns
    // is written without proof, because a write can be undone; a deletion cannot.
    if (instance !== "proved" && (user === null || isMissing)) {
      await instanceCheck.requireKnownUser(clerk, { except: clerkId });
    }
  }
  const report = await input.report(user === null ? toUserDeletion(clerkId, from) : toUserUpsert(user, from));
  const before = toSide(report.before);
  const after = toSide(report.after);
  return { clerkId, outcome: report.outcome, dryRun, before, after, changed: findChanged(before, after) };
}

function toSide(status: UserStatus): ResyncSide | null {
  return status.user && { ...status.user, link: status.link, mentoradoId: status.mentorado?.id ?? null };
}

function findChanged(before: ResyncSide | null, after: ResyncSide | null): string[] {
  const names = Object.keys(after ?? before ?? {}) as (keyof ResyncSide)[];
  return names.filter((name) => !bookkeeping.has(name) && (before?.[name] ?? null) !== (after?.[name] ?? null));
}
