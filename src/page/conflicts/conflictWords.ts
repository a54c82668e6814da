import { formatCounted } from "../../domain/format.ts";
import type { LinkConflict } from "../shared/types.ts";

/** Why the sync chose no mentorado for this user. */
export function explainConflict({ candidates, email }: LinkConflict): string {
  const free = candidates.filter((candidate) => candidate.userId === null).length;
  if (candidates.length === 0) {
    return "An operator released this user's mentorado, and no mentorado has the address. The sync links none until you choose one.";
  }
  if (candidates.length > 1) {
    return `${formatCounted(candidates.length, "mentorado")} have ${email === null ? "this address" : "the address"}. Link the one that is this person's.`;
  }
  return free === 1
    ? "An operator released this mentorado. The sync links none until you choose one."
    : "The mentorado with this address belongs to another user. Release it there if it is this person's.";
}
