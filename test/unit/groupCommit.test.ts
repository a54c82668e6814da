import { expect, test } from "bun:test";
import { idsOf, openCommits } from "../support/openCommits.ts";

test("a single item is committed at once; items that arrive during a commit form the next batch, in order", async () => {
  const { batches, submit, endNext } = openCommits();
  const results = ["a", "b", "c", "d", "e"].map((id) => submit(id));
  expect(idsOf(batches)).toEqual(["a"]);
  for (let round = 0; round < 3; round += 1) await endNext();
  expect(idsOf(batches)).toEqual(["a", "b,c,d", "e"]);
  expect(await Promise.all(results)).toEqual(["done a", "done b", "done c", "done d", "done e"]);
});

test("an item has no result before its batch has ended", async () => {
  const { clock, submit, endNext } = openCommits();
  let isDone = false;
  const result = submit("a").then(() => (isDone = true));
  await clock.advance(4_999);
  expect(isDone).toBe(false);
  await endNext();
  await result;
});

test("items with the same key are never in one batch and keep their order", async () => {
  const { batches, submit, endNext } = openCommits();
  const results = [submit("a"), submit("b", { key: "k" }), submit("c", { key: "k" }), submit("d")];
  for (let round = 0; round < 3; round += 1) await endNext();
  expect(idsOf(batches)).toEqual(["a", "b,d", "c"]);
  await Promise.all(results);
});

test("batches in flight hold no more items than the limit; a single batch may always start", async () => {
  let room = 3;
  const { clock, batches, submit } = openCommits({
    batchItemsMax: 100,
    batchesInFlightMax: 5,
    itemsInFlightMax: () => room,
    queueItemsMax: 100,
  });
  const results = ["a", "b", "c", "d", "e", "f"].map((id) => submit(id));
  await clock.advance(1_000);
  expect(idsOf(batches)).toEqual(["a", "b,c"]);
  room = 0;
  batches[0]?.end.resolve();
  await clock.advance(1_000);
  expect(idsOf(batches)).toEqual(["a", "b,c"]);
  batches[1]?.end.resolve();
  await clock.advance(0);
  expect(idsOf(batches)).toEqual(["a", "b,c", "d"]);
  room = 10;
  batches[2]?.end.resolve();
  await clock.advance(0);
  expect(idsOf(batches)).toEqual(["a", "b,c", "d", "e,f"]);
  batches[3]?.end.resolve();
  expect(await Promise.all(results)).toHaveLength(6);
});

test("a queue full by number or by size rejects at once; an empty queue accepts an item of any size", async () => {
  const { submit, endNext, queueItems } = openCommits();
  const first = submit("a");
  const waiting = ["b", "c", "d", "e"].map((id) => submit(id));
  expect(await submit("f")).toBe("unavailable");
  expect(queueItems()).toBe(4);
  for (let round = 0; round < 4; round += 1) await endNext();
  expect(await Promise.all([first, ...waiting])).toHaveLength(5);

  const large = openCommits();
  const results = [large.submit("a"), large.submit("b", { size: 1_000 })];
  expect(await large.submit("c", { size: 1 })).toBe("unavailable");
  for (let round = 0; round < 2; round += 1) await large.endNext();
  expect(await Promise.all(results)).toEqual(["done a", "done b"]);
  expect(large.queueItems()).toBe(0);
});

test("a batch never exceeds its size limit, except for a single item that is larger", async () => {
  const { batches, submit, endNext } = openCommits();
  const results = [submit("a"), submit("b", { size: 60 }), submit("c", { size: 60 }), submit("d", { size: 1 })];
  for (let round = 0; round < 3; round += 1) await endNext();
  expect(idsOf(batches)).toEqual(["a", "b", "c,d"]);
  await Promise.all(results);
});

test("a change still queued at its deadline is rejected, never committed, and frees its place", async () => {
  const { clock, batches, submit, endNext, queueItems } = openCommits();
  const first = submit("a");
  const late = [submit("b", { deadlineMs: 30 }), submit("c", { deadlineMs: 30 })];
  await clock.advance(29);
  expect(queueItems()).toBe(2);
  await clock.advance(1);
  expect(await Promise.all(late)).toEqual(["unavailable", "unavailable"]);
  expect(queueItems()).toBe(0);
  const last = submit("d");
  for (let round = 0; round < 2; round += 1) await endNext();
  expect(await Promise.all([first, last])).toEqual(["done a", "done d"]);
  expect(idsOf(batches)).toEqual(["a", "d"]);
});

test("a change whose batch is in flight at its deadline is rejected too; the batch continues and the next one follows", async () => {
  const { clock, batches, submit, endNext } = openCommits();
  const late = submit("a", { deadlineMs: 20 });
  await clock.advance(20);
  expect(await late).toBe("unavailable");
  const next = submit("b");
  expect(idsOf(batches)).toEqual(["a"]);
  for (let round = 0; round < 2; round += 1) await endNext();
  expect(await next).toBe("done b");
});

test("an error as a result fails that item only; a failed batch fails all its items and no others", async () => {
  const { clock, submit, endNext, batches } = openCommits();
  const results = [submit("a"), submit("bad"), submit("c")];
  for (let round = 0; round < 2; round += 1) await endNext();
  expect(await Promise.all(results)).toEqual(["done a", "bad", "done c"]);
  const failing = [submit("d"), submit("e")];
  batches.at(-1)?.end.reject(new Error("away"));
  await clock.advance(0);
  await endNext();
  expect(await Promise.all(failing)).toEqual(["away", "done e"]);
});
