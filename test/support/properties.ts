// Properties of every history; the suite tries a few hundred, the soak as many as it is asked for.
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { Snapshot } from "./clerkFacts.ts";
import type { Courier } from "./courier.ts";
import { assertSettled, toEventSet } from "./endState.ts";
import { startMs } from "./events.ts";
import { clerkOnlyHistory, history, lossyHistory } from "./history.ts";
import type { History } from "./historyStory.ts";
import { readSnapshot } from "./modelRules.ts";
import { permutations } from "./permutations.ts";
import { readUsers } from "./tables.ts";

export function createProperties(courier: Courier) {
  const [app] = courier.apps;

  /** Brings each delivery once, in the slot of its place; the tables have to be what the set of events says. */
  async function carryIn(one: History, slots: readonly number[]): Promise<void> {
    const deliveries = one.deliveries.map(({ fact }, place) => ({ fact, slots: [slots[place] ?? 0] }));
    const { arrivals } = await courier.carry({ ...one, deliveries });
    await assertSettled(app, toEventSet(arrivals));
  }

  async function runAfter(one: History, kind: "backfill" | "reconcile"): Promise<void> {
    const { model, arrivals } = await courier.carry(one);
    // A reconcile deletes no more than half of the active users, so there are more users than those of the history.
    const active = (await readUsers(app)).filter((row) => row["deleted_at"] === null);
    const bystanders = Array.from({ length: active.length + 1 }, (_, place) => toBystander(place));
    assert.equal(await courier.run("backfill", bystanders), "done");
    const truth = [...one.truth, ...bystanders];
    assert.equal(await courier.run(kind, truth), "done");
    const telling = toEventSet(arrivals);
    const rows = await readUsers(app);
    const found = rows.flatMap((row) => {
      const clerkId = String(row["clerk_id"]);
      const atMs = Number(row["deleted_at"]);
      const dead = row["deleted_at"] !== null && !truth.some((snapshot) => snapshot.clerkId === clerkId);
      return dead && Math.abs(Date.now() - atMs) < 60_000 ? [{ clerkId, atMs }] : [];
    });
    // A backfill sees no user whom Clerk no longer has, and so looks for no mentorado of theirs.
    const wasLookedAt = (clerkId: string) => kind === "reconcile" || truth.some((one) => one.clerkId === clerkId);
    const all = {
      told: [...telling.told, ...[...model.answers, ...truth].map(toAnswer)],
      deletions: [...telling.deletions, ...found],
      held: new Set([...model.users.values()].filter(({ held }) => held).map(({ clerkId }) => clerkId)),
    };
    await assertSettled(app, all, wasLookedAt);
    // A backfill deletes no user: a re-sync had found out about these before.
    const deletedByRun = found.filter(({ clerkId }) => model.users.get(clerkId)?.deletedAtMs == null);
    if (kind === "backfill") return assert.deepEqual(deletedByRun, []);
    const left = rows.filter((row) => row["deleted_at"] === null).map((row) => row["clerk_id"]);
    assert.deepEqual(left, truth.map(({ clerkId }) => clerkId).sort(), "exactly those whom Clerk has are active");
  }

  return {
    /** Every table is what the rules say, whatever comes in whatever way. */
    convergence: fc.asyncProperty(history, async (one) => {
      await courier.carry(one);
    }),
    /** The end is the same in each of all orders of a few events, and with all at once. */
    allOrders: fc.asyncProperty(clerkOnlyHistory(4), async (one) => {
      for (const slots of permutations(one.deliveries.length)) await carryIn(one, slots);
      await carryIn(one, []);
    }),
    /** The end is the same however many events are shuffled and cut into batches. */
    shuffles: fc.asyncProperty(shuffled, async ({ one, ways }) => {
      for (const slots of ways) await carryIn(one, slots);
    }),
    /** Whatever was lost, after one reconcile the tables are what Clerk says. */
    reconcile: fc.asyncProperty(lossyHistory, (one) => runAfter(one, "reconcile")),
    /** Whatever was lost, after one backfill every user of Clerk is as Clerk says. */
    backfill: fc.asyncProperty(lossyHistory, (one) => runAfter(one, "backfill")),
  };
}

const shuffled = clerkOnlyHistory(30).chain((one) => {
  const count = one.deliveries.length;
  const way = fc.array(fc.nat({ max: count }), { minLength: count, maxLength: count });
  return fc.record({ one: fc.constant(one), ways: fc.array(way, { minLength: 4, maxLength: 4 }) });
});

const toBystander = (place: number): Snapshot => ({
  clerkId: `user_Zoe${place}`,
  updatedAt: { value: startMs, meansMs: startMs },
  createdAtMs: startMs,
  addresses: [],
  primaryId: null,
  firstName: null,
  lastName: null,
  username: `zoe${place}`,
  imageUrl: null,
  provider: null,
  publicMetadata: {},
  unsafeMetadata: {},
});

function toAnswer(snapshot: Snapshot) {
  const updatedAtMs = snapshot.updatedAt.meansMs ?? 0;
  return readSnapshot(snapshot, "api", { updatedAtMs, fromApi: true, envelopeMs: null, svixId: "" });
}
