import { afterAll, beforeAll, test } from "bun:test";
import * as fc from "fast-check";
import { openCourier, type Courier } from "../support/courier.ts";
import { createProperties } from "../support/properties.ts";

// A failure prints a seed and a path; `bun run test:soak --property P --seed S --path P` repeats it.
let courier: Courier;
let properties: ReturnType<typeof createProperties>;
beforeAll(async () => {
  courier = await openCourier();
  properties = createProperties(courier);
});
afterAll(() => courier.close());

test("whatever Clerk tells, however it arrives, every table is what the rules say", async () => {
  await fc.assert(properties.convergence, { numRuns: 250 });
}, 120_000);

test("in each of all orders of a few events, and all at once, the end is the same", async () => {
  await fc.assert(properties.allOrders, { numRuns: 12 });
}, 120_000);

test("however many events are shuffled and cut into batches, the end is the same", async () => {
  await fc.assert(properties.shuffles, { numRuns: 20 });
}, 120_000);

test("whatever was lost, after one reconcile the tables are what Clerk says", async () => {
  await fc.assert(properties.reconcile, { numRuns: 60 });
}, 120_000);

test("whatever was lost, after one backfill everybody whom Clerk has is as Clerk says", async () => {
  await fc.assert(properties.backfill, { numRuns: 20 });
}, 120_000);
