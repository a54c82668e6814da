import { expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { silentLog } from "../../src/log.ts";
import { toUserDeletion } from "../../src/clerk/userChange.ts";
import { createCommitBatch } from "../../src/service/commitBatch.ts";
import { toBatchItem } from "../../src/store/users/batchItem.ts";
import { createTestClock } from "../support/testClock.ts";

const items = ["user_A", "user_B"].map((id) => {
  const change = toUserDeletion(id, { source: "resync", requestedAtMs: 0 });
  return { change, batchItem: toBatchItem(change) };
});

test.each([
  ["that is known to be away leaves", "open", 0],
  ["that does not answer in time lowers", "closed", 1],
] as const)("a database %s the size of batches", async (_, state, loweredMin) => {
  let lowered = 0;
  const clock = createTestClock();
  const commitBatch = createCommitBatch({
    database: { state: () => state },
    writer: { apply: () => Promise.reject(new AppError("unavailable", "Away.")) },
    pace: { itemsMax: () => 50, findWorkMs: () => 0, committed: () => undefined, failed: () => (lowered += 1) },
    watch: { started: () => () => undefined },
    log: silentLog,
    clock,
  });
  const failing = commitBatch(items, { lockWaitMs: undefined, hasMates: false }).catch((error: unknown) => error);
  await clock.advance(1_000);
  expect(await failing).toMatchObject({ code: "unavailable" });
  expect(Math.min(lowered, 1)).toBe(loweredMin);
});
