// What the set of events says in the end, whatever their order: rule 6 without a history.
import assert from "node:assert/strict";
import type { Arrival, Model } from "./model.ts";
import type { ModelUser } from "./modelLinks.ts";
import { compareVersions, emailKey, readSnapshot, versionOf, type Said } from "./modelRules.ts";
import { expectedUsers, readUsers } from "./tables.ts";
import type { TestApp } from "./testApp.ts";

/** The rows of `users`; of a set, not of a sequence. */
function toEndState(arrivals: readonly Arrival[]): Map<string, ModelUser> {
  const told = arrivals.flatMap(({ fact, receivedAtMs }) =>
    fact.kind === "user" ? [readSnapshot(fact.snapshot, "webhook", versionOf(fact, receivedAtMs))] : [],
  );
  const deletions = arrivals.flatMap(({ fact, receivedAtMs }) =>
    fact.kind === "deleted" ? [{ clerkId: fact.clerkId, atMs: fact.envelope.meansMs ?? receivedAtMs }] : [],
  );
  const ids = new Set([...told, ...deletions].map(({ clerkId }) => clerkId));
  return new Map(
    [...ids].map((clerkId) => {
      const times = deletions.filter((one) => one.clerkId === clerkId).map(({ atMs }) => atMs);
      const own = told.filter((one) => one.clerkId === clerkId);
      const deletedAtMs = times.length > 0 ? Math.min(...times) : null;
      const spoken = newest(own.filter(({ role }) => role !== null));
      const user: ModelUser = {
        clerkId,
        said: deletedAtMs === null ? newest(own) : null,
        role: deletedAtMs === null ? (spoken?.role ?? "user") : "user",
        roleVersion: null,
        deletedAtMs,
        held: false,
      };
      return [clerkId, user] as const;
    }),
  );
}

function newest(own: readonly Said[]): Said | null {
  return own.reduce<Said | null>(
    (best, one) => (best && compareVersions(best.version, one.version) > 0 ? best : one),
    null,
  );
}

/** The users are what the set says, and whoever can be given a profile without a guess has one. */
export async function assertSettled(app: TestApp, model: Model, arrivals: readonly Arrival[]): Promise<void> {
  const users = toEndState(arrivals);
  assert.deepEqual(await readUsers(app), expectedUsers(users), "users, from the set of events alone");

  const { profileOf, profiles } = model.links;
  const waiting = [...users.values()].filter(
    ({ clerkId, said }) => said?.emailVerified === true && emailKey(said.email) !== null && !profileOf(clerkId),
  );
  for (const user of waiting) {
    const key = emailKey(user.said?.email ?? null);
    const candidates = [...profiles].filter((profile) => emailKey(profile.email) === key);
    const rivals = waiting.filter((other) => emailKey(other.said?.email ?? null) === key);
    assert.ok(candidates.length > 0, `${user.clerkId} has a verified address, and nobody made a profile for it`);
    assert.ok(
      candidates.length > 1 || candidates[0]?.owner != null || rivals.length > 1,
      `${user.clerkId} waits alone for a free profile`,
    );
  }
  for (const profile of profiles) {
    assert.ok(
      profile.owner === null || users.get(profile.owner)?.said != null,
      "a profile is of an active user, or free",
    );
  }
}
