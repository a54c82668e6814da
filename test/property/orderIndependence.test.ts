import { afterAll, beforeAll, test } from "bun:test";
import * as fc from "fast-check";
import { openCourier, type Courier } from "../support/courier.ts";
import { assertSettled } from "../support/endState.ts";
import { clerkOnlyHistory } from "../support/history.ts";
import type { History } from "../support/historyStory.ts";

let courier: Courier;
beforeAll(async () => {
  courier = await openCourier();
});
afterAll(() => courier.close());

/** Brings each delivery once, in the slot of its place; the tables have to be what the set of events says. */
async function carryIn(history: History, slots: readonly number[]): Promise<void> {
  const deliveries = history.deliveries.map(({ fact }, place) => ({ fact, slots: [slots[place] ?? 0] }));
  const { model, arrivals } = await courier.carry({ ...history, deliveries });
  await assertSettled(courier.apps[0], model, arrivals);
}

function permutations(count: number): number[][] {
  if (count === 0) return [[]];
  return permutations(count - 1).flatMap((shorter) =>
    Array.from({ length: count }, (_, place) => shorter.toSpliced(place, 0, count - 1)),
  );
}

test("in each of all orders of a few events, and all at once, the end is the same", async () => {
  await fc.assert(
    fc.asyncProperty(clerkOnlyHistory(4), async (history) => {
      for (const slots of permutations(history.deliveries.length)) await carryIn(history, slots);
      await carryIn(history, []);
    }),
    { numRuns: 12 },
  );
}, 60_000);

test("however many events are shuffled and cut into batches, the end is the same", async () => {
  const shuffled = clerkOnlyHistory(30).chain((history) => {
    const count = history.deliveries.length;
    const ways = fc.array(fc.array(fc.nat({ max: count }), { minLength: count, maxLength: count }), {
      minLength: 4,
      maxLength: 4,
    });
    return fc.record({ history: fc.constant(history), ways });
  });
  await fc.assert(
    fc.asyncProperty(shuffled, async ({ history, ways }) => {
      for (const slots of ways) await carryIn(history, slots);
    }),
    { numRuns: 20 },
  );
}, 60_000);
