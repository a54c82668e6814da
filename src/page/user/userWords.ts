import { formatCounted } from "../../domain/format.ts";
import type { ResyncResult, Tone, UserStatus } from "../shared/types.ts";

/** What a status means, and what the on-call engineer does about it. */
export interface Explanation {
  readonly tone: Tone;
  readonly title: string;
  readonly meaning: string;
  readonly todo: string;
}

/** Texts of the panel for each status and link status. */
export function explainUser(status: UserStatus): Explanation {
  switch (status.state) {
    case "missing":
      return explainMissing(status);
    case "deleted":
      return {
        tone: "quiet",
        title: "This user was deleted in Clerk",
        meaning: "Deletion is final: the personal data here is erased, and the mentorado was released, not deleted.",
        todo: "If the person signed up again they have a new user id. Look that one up in the Clerk dashboard.",
      };
    case "synced":
      return explainLink(status);
  }
}

function explainMissing({ lastEvent }: UserStatus): Explanation {
  const cause =
    lastEvent === null
      ? "No webhook about this user has arrived, and no run has seen the user."
      : `An event about this user arrived and stored no user (${lastEvent.outcome}).`;
  return {
    tone: "bad",
    title: "This user is not in the database",
    meaning: cause,
    todo: "Press Re-sync: it stores the user if Clerk has it. If Clerk does not have it either, the id is wrong or belongs to another instance.",
  };
}

function explainLink({ link, mentorado, user }: UserStatus): Explanation {
  switch (link) {
    case "linked":
      return mentorado?.ativo === "nao"
        ? {
            tone: "warn",
            title: "Stored and linked, but the mentorado is not active",
            meaning: "The mentorado has ativo = nao, and an app may hide it.",
            todo: "If the person should take part, set ativo to sim. The sync never writes that column.",
          }
        : {
            tone: "good",
            title: "Stored and linked",
            meaning: "The user is in the database and has a mentorado.",
            todo: "If the person still sees nothing, check the account they sign in with and the turma. Preview compares with Clerk without writing.",
          };
    case "unverified":
      return {
        tone: "warn",
        title: "The e-mail address is not verified",
        meaning: `A mentorado is only given to a verified address, and ${user?.email ?? "this one"} is not.`,
        todo: "Ask the person to verify it (Clerk sends a code). The sync then links the user; if it does not within a minute, press Re-sync.",
      };
    case "no_email":
      return {
        tone: "warn",
        title: "The user has no e-mail address",
        meaning: "The sync links a mentorado by a verified address only.",
        todo: "Ask the person to add and verify one, or link a mentorado by its number below.",
      };
    case "conflict":
      return {
        tone: "warn",
        title: "An operator has to choose this user's mentorado",
        meaning:
          "The user is stored without a mentorado: an operator unlinked it, or several mentorados have the address, or the one that has it belongs to another user or became free after the user's last sync.",
        todo: "Link one below; unlink it first if it belongs to another user. Both take effect at once.",
      };
    case "none":
      return {
        tone: "warn",
        title: "The user has no mentorado yet",
        meaning:
          "The address is verified and no mentorado has it. The user's next change creates one, if the user's turma or DEFAULT_TURMA is a label of the enum turma.",
        todo: "Press Re-sync to create it now. If it creates none, set DEFAULT_TURMA to a label; the alarms name this problem.",
      };
  }
}

/** What a re-sync changed; of a dry run, what it would change. */
export function explainResync({ outcome, dryRun, before, after, changed }: ResyncResult): string {
  const would = dryRun ? "would be" : "was";
  if (changed.length === 0) {
    if (before?.deletedAt != null) return "Nothing to write: a deleted user stays deleted.";
    if (outcome === "stale") return "Nothing to write: the stored version is newer than Clerk's answer.";
    if (outcome === "applied") return `Only the stored JSON of Clerk's user (raw_json) ${would} changed.`;
    return "Nothing to write: the stored user equals the user in Clerk.";
  }
  if (before === null) return `The user ${would} written for the first time.`;
  if (before.deletedAt === null && after?.deletedAt != null) {
    return `Clerk no longer has this user: it ${would} marked as deleted.`;
  }
  return dryRun
    ? `${formatCounted(changed.length, "field")} would change.`
    : `${formatCounted(changed.length, "field")} changed.`;
}
