import { formatCounted } from "../shared/format.ts";
import type { ResyncResult, Tone, UserStatus } from "../shared/types.ts";

/** What a state means, and what to do about it, for somebody who is called at night. */
export interface Explanation {
  readonly tone: Tone;
  readonly title: string;
  readonly meaning: string;
  readonly todo: string;
}

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
  const heard =
    lastEvent === null
      ? "No webhook about this user has arrived, and no run has met it."
      : `Something about this user arrived and came to nothing (${lastEvent.outcome}).`;
  return {
    tone: "bad",
    title: "This user is not in the database",
    meaning: heard,
    todo: "Press Re-sync: if Clerk knows the user, it is here a moment later. If Clerk does not know it either, the id is wrong or of another instance.",
  };
}

function explainLink({ link, mentorado, user }: UserStatus): Explanation {
  switch (link) {
    case "linked":
      return mentorado?.ativo === "nao"
        ? {
            tone: "warn",
            title: "Stored and linked, but the mentorado is not active",
            meaning: "The mentorado says ativo = nao, and an app may hide such a one.",
            todo: "If the person should take part, set ativo to sim. The sync never writes that column.",
          }
        : {
            tone: "good",
            title: "Stored and linked",
            meaning: "The user is in the database and has a mentorado: the sync has done its part.",
            todo: "Should the person still see nothing: check that this is the account they sign in with, and the turma. Preview compares with Clerk without writing.",
          };
    case "unverified":
      return {
        tone: "warn",
        title: "The e-mail address is not verified",
        meaning: `A mentorado is only given to a verified address, and ${user?.email ?? "this one"} is not.`,
        todo: "Ask the person to verify it (Clerk sends a code). It links by itself then; if it does not within a minute, press Re-sync.",
      };
    case "no_email":
      return {
        tone: "warn",
        title: "The user has no e-mail address",
        meaning: "Without a verified address nobody can say which mentorado is theirs.",
        todo: "Ask the person to add and verify one, or link a mentorado by its number below.",
      };
    case "conflict":
      return {
        tone: "warn",
        title: "Nobody could decide which mentorado is theirs",
        meaning:
          "The user is stored, but several mentorados carry the address, or it is taken, or an operator released it.",
        todo: "Decide below. It takes effect at once.",
      };
    case "none":
      return {
        tone: "warn",
        title: "The user has no mentorado yet",
        meaning: "The address is verified and no mentorado carries it: the next change makes one.",
        todo: "Press Re-sync to have it made now.",
      };
  }
}

/** What a re-sync did, or would do. */
export function explainResync({ outcome, dryRun, before, after, changed }: ResyncResult): string {
  if (outcome === "stale") return "Nothing to do: a deleted user stays deleted, whatever Clerk says.";
  if (changed.length === 0) return "Clerk says just what is stored here. Nothing to write.";
  const would = dryRun ? "would be" : "was";
  if (before === null) return `The user ${would} written for the first time.`;
  if (before.deletedAt === null && after?.deletedAt != null) {
    return `Clerk no longer has this user: it ${would} marked as deleted.`;
  }
  return dryRun
    ? `${formatCounted(changed.length, "field")} would change.`
    : `${formatCounted(changed.length, "field")} changed.`;
}
