import type { Database } from "../connection/database.ts";
import { fromWire, toWire } from "../wire.ts";

const deadlineMs = 5_000;

/** A user whose mentorado could not be decided, and the mentorados that carry the address. */
export interface LinkConflict {
  readonly clerkId: string;
  readonly email: string | null;
  readonly candidates: readonly {
    readonly id: number;
    readonly nomeCompleto: string;
    readonly email: string | null;
    readonly userId: number | null;
  }[];
}

/** In the order in which users came; `afterUserId` is the last of the page before. The states are `user_state`'s. */
export async function listLinkConflicts(
  database: Database,
  page: { afterUserId: number; limit: number },
): Promise<(LinkConflict & { userId: number })[]> {
  const answer = await database.callFunction("list_conflicts", toWire(page), { deadlineMs });
  return fromWire(answer) as (LinkConflict & { userId: number })[];
}

/** What `resolve_link` and `unlink_mentorado` answer. */
export interface LinkDecision {
  readonly error: "user_not_found" | "mentorado_not_found" | "claimed" | null;
  readonly clerkId?: string | null;
}

export async function resolveLink(
  database: Database,
  input: { clerkId: string; mentoradoId: number; actor: string },
): Promise<LinkDecision> {
  return fromWire(await database.callFunction("resolve_link", toWire(input), { deadlineMs })) as LinkDecision;
}

export async function unlinkMentorado(
  database: Database,
  input: { mentoradoId: number; actor: string },
): Promise<LinkDecision> {
  return fromWire(await database.callFunction("unlink_mentorado", toWire(input), { deadlineMs })) as LinkDecision;
}
