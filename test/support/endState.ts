// The end state of a set of events, whatever their order (rule 6).
import assert from "node:assert/strict";
import type { Arrival } from "./model.ts";
import type { ModelUser } from "./modelLinks.ts";
import { compareVersions, emailKey, readSnapshot, versionOf, type Said } from "./modelRules.ts";
import { expectedUsers, readUsers } from "./tables.ts";
import type { TestApp } from "./testApp.ts";

/** Everything that webhooks or the Backend API said, without an order. */
export interface EventSet {
  readonly told: readonly Said[];
  readonly deletions: readonly { readonly clerkId: string; readonly atMs: number }[];
  /** Users whom an operator unlinked. */
  readonly held: ReadonlySet<string>;
}

/** All events of a history. */
export function toEventSet(arrivals: readonly Arrival[]): EventSet {
  return {
    told: arrivals.flatMap(({ fact, receivedAtMs }) =>
      fact.kind === "user" ? [readSnapshot(fact.snapshot, "webhook", versionOf(fact, receivedAtMs))] : [],
    ),
    deletions: arrivals.flatMap(({ fact, receivedAtMs }) =>
      fact.kind === "deleted" ? [{ clerkId: fact.clerkId, atMs: fact.envelope.meansMs ?? receivedAtMs }] : [],
    ),
    held: new Set(),
  };
}

/** The rows of `users`; of a set, not of a sequence. */
function toUsers({ told, deletions, held }: EventSet): Map<string, ModelUser> {
  const ids = new Set([...told, ...deletions].map(({ clerkId }) => clerkId));
  return new Map(
    [...ids].map((clerkId) => {
      const times = deletions.filter((one) => one.clerkId === clerkId).map(({ atMs }) => atMs);
      const own = told.filter((one) => one.clerkId === clerkId);
      const gone = times.length > 0;
      const user: ModelUser = {
        clerkId,
        said: gone ? null : newest(own),
        role: (gone ? null : newest(own.filter(({ role }) => role !== null))?.role) ?? "user",
        roleVersion: null,
        deletedAtMs: gone ? Math.min(...times) : null,
        held: !gone && held.has(clerkId),
      };
      return [clerkId, user] as const;
    }),
  );
}

function newest(own: readonly Said[]): Said | null {
  const later = (a: Said, b: Said) => (compareVersions(a.version, b.version) > 0 ? a : b);
  return own.length === 0 ? null : own.reduce(later);
}

/**
 * The users are what the set says, and every user who can be given a mentorado without a guess has one; of the latter only those
 * can be asked who were looked at since the business last removed a mentorado.
 */
export async function assertSettled(
  app: TestApp,
  telling: EventSet,
  wasLookedAt: (clerkId: string) => boolean = () => true,
): Promise<void> {
  const users = toUsers(telling);
  assert.deepEqual(await readUsers(app), expectedUsers(users), "users, from the set of events alone");

  const rows = await app.sql<{ owner: string | null; email: string | null }[]>`
    select u.clerk_id as owner, m.email from mentorados m left join users u on u.id = m.user_id`;
  const mentorados = rows.map(({ owner, email }) => ({ owner, key: emailKey(email) }));
  const keyOf = (user: ModelUser) => (user.said?.emailVerified && !user.held ? emailKey(user.said.email) : null);
  const waiting = [...users.values()].filter(
    (user) => keyOf(user) !== null && !mentorados.some(({ owner }) => owner === user.clerkId),
  );
  for (const user of waiting.filter(({ clerkId }) => wasLookedAt(clerkId))) {
    const candidates = mentorados.filter(({ key }) => key === keyOf(user));
    const rivals = waiting.filter((other) => keyOf(other) === keyOf(user));
    assert.ok(candidates.length > 0, `${user.clerkId} has a verified address and no mentorado`);
    assert.ok(
      candidates.length > 1 || candidates[0]?.owner != null || rivals.length > 1,
      `${user.clerkId} waits alone for a free mentorado`,
    );
  }
  for (const { owner } of mentorados) {
    assert.ok(owner === null || users.get(owner)?.said != null, `${owner} is no active user and has a mentorado`);
  }
}
