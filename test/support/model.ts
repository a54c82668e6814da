// The reference model: the rules as a small machine in memory, written from their words.
import { clerkIdOf, toBody, type Fact, type Snapshot } from "./clerkFacts.ts";
import { createModelLinks, type Cause, type ModelUser } from "./modelLinks.ts";
import { compareVersions, emailKey, readSnapshot, versionOf, type Said } from "./modelRules.ts";

export interface LedgerRow {
  readonly clerkId: string | null;
  readonly outcome: string;
  attempts: number;
  payload: string | null;
}

/** A delivery with what only its arrival can say. */
export interface Arrival {
  readonly fact: Fact;
  readonly receivedAtMs: number;
}

export type Model = ReturnType<typeof createModel>;

export function createModel() {
  const users = new Map<string, ModelUser>();
  const links = createModelLinks(users);
  const ledger = new Map<string, LedgerRow>();
  /** What the Backend API answered. */
  const answers: Snapshot[] = [];
  let duplicates = 0;

  /** Rules 1, 4 and 5. */
  function applySaid(said: Said, cause: Cause): string {
    const known = users.get(said.clerkId);
    if (known?.deletedAtMs != null) return "stale";
    const before = known?.said ?? null;
    const user = known ?? toUser(said.clerkId);
    users.set(said.clerkId, user);

    const newer = before === null || compareVersions(said.version, before.version) >= 0;
    let roleChanged = false;
    if (said.role !== null && (user.roleVersion === null || compareVersions(said.version, user.roleVersion) >= 0)) {
      roleChanged = user.role !== said.role;
      user.role = said.role;
      user.roleVersion = said.version;
    }
    if (newer) {
      user.said = said;
      const stays = said.emailVerified && emailKey(said.email) === emailKey(before?.email ?? null);
      if (before?.emailVerified && !stays) links.leave(before.email);
    }
    const linked = links.seek(user, cause);
    if (before === null) return "applied";
    const older = !newer && before.version.updatedAtMs !== said.version.updatedAtMs;
    if (before.content === said.content && !roleChanged && !older) return linked ? "applied" : "unchanged";
    return newer ? "applied" : "stale";
  }

  /** Rule 2. */
  function applyDeletion(clerkId: string, deletedAtMs: number, cause: Cause): string {
    const user = users.get(clerkId);
    if (user?.deletedAtMs != null) {
      user.deletedAtMs = Math.min(user.deletedAtMs, deletedAtMs);
      return "unchanged";
    }
    if (user?.said?.emailVerified) links.leave(user.said.email);
    links.release(clerkId, cause);
    users.set(clerkId, { ...toUser(clerkId), deletedAtMs });
    for (const row of ledger.values()) if (row.clerkId === clerkId) row.payload = null;
    return "applied";
  }

  function applyFact({ fact, receivedAtMs }: Arrival): string {
    const cause = { source: "webhook", svixId: fact.svixId };
    switch (fact.kind) {
      case "user":
        return applySaid(readSnapshot(fact.snapshot, "webhook", versionOf(fact, receivedAtMs)), cause);
      case "deleted":
        return applyDeletion(fact.clerkId, fact.envelope.meansMs ?? receivedAtMs, cause);
      case "other":
        return "ignored";
      case "garbage":
        return "dead";
    }
  }

  /** Rule 8. */
  function settle(arrival: Arrival): string {
    const { svixId } = arrival.fact;
    const settled = ledger.get(svixId);
    if (settled) {
      settled.attempts += 1;
      if (settled.outcome === "dead") return "dead";
      duplicates += 1;
      return "duplicate";
    }
    const outcome = applyFact(arrival);
    const clerkId = clerkIdOf(arrival.fact);
    const gone = clerkId !== null && users.get(clerkId)?.deletedAtMs != null;
    ledger.set(svixId, { clerkId, outcome, attempts: 1, payload: gone ? null : toBody(arrival.fact) });
    return outcome;
  }

  /** Deletions first, then the rest as they stand; addresses that were left are looked at after either. */
  function settleBatch(batch: readonly Arrival[]): string[] {
    const outcomes = new Map<Arrival, string>();
    for (const deletions of [true, false]) {
      for (const one of batch) if ((one.fact.kind === "deleted") === deletions) outcomes.set(one, settle(one));
      links.handOver();
    }
    return batch.map((one) => outcomes.get(one) ?? "");
  }

  /** Looked at again because an operator asks; only of a dead one would the ledger take another outcome. */
  function settleReplay(arrival: Arrival): string {
    if (ledger.get(arrival.fact.svixId)?.payload == null) return "precondition_failed";
    const outcome = applyFact(arrival);
    links.handOver();
    return outcome;
  }

  /** An answer of the Backend API, null if it no longer has the user. */
  function settleAnswer(clerkId: string, said: Said | null, requestedAtMs: number): string {
    const cause = { source: "resync", svixId: null };
    if (said === null && !users.has(clerkId)) return "not_found";
    const outcome = said === null ? applyDeletion(clerkId, requestedAtMs, cause) : applySaid(said, cause);
    links.handOver();
    return outcome;
  }

  return { users, links, ledger, answers, duplicates: () => duplicates, settleBatch, settleReplay, settleAnswer };
}

function toUser(clerkId: string): ModelUser {
  return { clerkId, said: null, role: "user", roleVersion: null, deletedAtMs: null, held: false };
}
