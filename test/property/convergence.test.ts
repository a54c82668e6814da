import { afterAll, beforeAll, test } from "bun:test";
import * as fc from "fast-check";
import { openCourier, type Courier } from "../support/courier.ts";
import { history } from "../support/history.ts";

let courier: Courier;
beforeAll(async () => {
  courier = await openCourier();
});
afterAll(() => courier.close());

test("whatever Clerk tells, however it arrives, every table is what the rules say", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (one) => {
      await courier.carry(one);
    }),
    { numRuns: 100 },
  );
}, 120_000);
