import { expect, test } from "bun:test";
import { createBatchPace } from "../../src/service/batchPace.ts";

test("a batch has as many changes as the last commits did in 200 ms; one commit is enough to adjust it", () => {
  const pace = createBatchPace();
  expect(pace.itemsMax()).toBe(50);
  pace.committed(50, 500);
  expect(pace.itemsMax()).toBe(20);
  pace.committed(20, 200);
  expect(pace.itemsMax()).toBe(20);
  pace.committed(1, 30_000);
  expect(pace.itemsMax()).toBe(1);
});

test("on a fast database batches reach their full size within four commits, even if the first commit was slow", () => {
  const pace = createBatchPace();
  pace.committed(1, 60);
  pace.committed(pace.itemsMax(), 1.2);
  pace.committed(pace.itemsMax(), 2);
  pace.committed(pace.itemsMax(), 20);
  expect(pace.itemsMax()).toBeGreaterThan(500);
});

test("failures make batches smaller, down to one change; four commits bring back the full size", () => {
  const pace = createBatchPace();
  for (let n = 0; n < 20; n += 1) pace.failed();
  expect(pace.itemsMax()).toBe(1);
  for (let n = 0; n < 4; n += 1) pace.committed(pace.itemsMax(), 1 + pace.itemsMax() * 0.06);
  expect(pace.itemsMax()).toBeGreaterThan(500);
});

test("the expected time of a batch has the fixed cost of a batch in it, whatever the sizes of the last ones were", () => {
  const pace = createBatchPace();
  const workMs = (items: number) => 2 + 0.4 * items;
  for (const items of [1, 30, 1, 1, 2, 60, 1, 12]) pace.committed(items, workMs(items));
  for (const items of [0, 1, 30, 60]) expect(pace.findWorkMs(items) / workMs(items)).toBeCloseTo(1, 1);
});
