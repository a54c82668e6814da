import type { Database } from "../connection/database.ts";
import { fromWire, toWire } from "../wire.ts";

const deadlineMs = 5_000;

/** A user with link status `conflict`, and the mentorados that have the user's address. */
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

/** One page in ascending order of `users.id`, after `afterUserId`. */
export async function listLinkConflicts(
  database: Database,
  page: { afterUserId: number; limit: number },
): Promise<(LinkConflict & { userId: number })[]> {
  const answer = await database.callFunction("list_conflicts", toWire(page), { deadlineMs });
  return fromWire(answer) as (LinkConflict & { userId: number })[];
}

/** Answer of `resolve_link` and `unlink_mentorado`. */
export interface LinkDecision {
  readonly error: "user_not_found" | "mentorado_not_found" | "claimed" | null;
  readonly clerkId?: string | null;
}

/** Links a mentorado to a user by an operator's decision; see resolve_link.sql. */
export async function resolveLink(
  database: Database,
  input: { clerkId: string; mentoradoId: number; actor: string },
): Promise<LinkDecision> {
  return fromWire(await database.callFunction("resolve_link", toWire(input), { deadlineMs })) as LinkDecision;
}

/** Unlinks a mentorado by an operator's decision; see unlink_mentorado.sql. */
export async function unlinkMentorado(
  database: Database,
  input: { mentoradoId: number; actor: string },
): Promise<LinkDecision> {
  return fromWire(await database.callFunction("unlink_mentorado", toWire(input), { deadlineMs })) as LinkDecision;
}
