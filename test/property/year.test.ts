import { expect, test } from "bun:test";
import { simulateYear } from "../support/year/simulateYear.ts";

test("after 20 days of two copies, kills and a rolling update the tables are Clerk's, retention has removed what is old, and no table exceeds its bound", async () => {
  const report = await simulateYear({
    days: 20,
    users: 200,
    stepsADay: 2,
    eventDays: 3,
    ledgerDays: 7,
    rates: { signUps: 4, changes: 40, deletions: 2, others: 6, garbage: 1 },
    checkEveryDays: 1,
    withRelease: false,
    seed: 1,
  });
  expect(report.kills).toBeGreaterThan(1);
}, 120_000);
