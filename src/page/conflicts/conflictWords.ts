import { formatCounted } from "../../domain/format.ts";
import type { LinkConflict } from "../shared/types.ts";

/** Why the sync chose no mentorado for this user. */
export function explainConflict({ candidates }: LinkConflict): string {
  const [only] = candidates;
  if (only === undefined) {
    return "An operator unlinked this user, and no mentorado has the address. The sync links none until an operator does.";
  }
  if (candidates.length > 1) {
    return `${formatCounted(candidates.length, "mentorado")} have the address. Link the one that is this person's.`;
  }
  return only.userId === null
    ? "An operator unlinked this user, or the mentorado with this address became free after the user's last sync. Link it if it is this person's."
    : "The mentorado with this address belongs to another user. If it is this person's, unlink it from that user, then link it here.";
}
