import { test } from "bun:test";
import * as fc from "fast-check";
import { openCourier } from "../support/courier.ts";
import { createProperties } from "../support/properties.ts";
import { openForFile } from "../support/toClose.ts";

// A failure prints a seed and a path; `bun run test:soak --property P --seed S --path P` repeats it.
const properties = openForFile(async () => {
  const courier = await openCourier();
  return { ...createProperties(courier), close: courier.close };
});

test("for any events in any order of arrival every table is as the rules say", async () => {
  await fc.assert(properties.convergence, { numRuns: 250 });
}, 120_000);

test("a few events in any order, or all in one batch, have the same result", async () => {
  await fc.assert(properties.allOrders, { numRuns: 12 });
}, 120_000);

test("any number of events, shuffled and cut into batches, has the same result", async () => {
  await fc.assert(properties.shuffles, { numRuns: 20 });
}, 120_000);

test("whatever was lost, after one reconcile the tables are what Clerk says", async () => {
  await fc.assert(properties.reconcile, { numRuns: 60 });
}, 120_000);

test("whatever was lost, after one backfill every user of Clerk is as Clerk says", async () => {
  await fc.assert(properties.backfill, { numRuns: 20 });
}, 120_000);
