import { expect, test } from "bun:test";
import { idsOf, openCommits } from "../support/openCommits.ts";

/** Database time of any batch, of which `fixedMs` does not depend on its items. */
const toWork =
  (ms: number, fixedMs = 0) =>
  (items: number) =>
    items === 0 ? fixedMs : ms;

test("a batch starts shortly before the one in flight is expected to end, or at its end if that is earlier", async () => {
  const { clock, batches, submit, endNext } = openCommits({ batchesInFlightMax: 2, findWorkMs: toWork(40) });
  const results = [submit("a"), submit("b")];
  await clock.advance(29);
  expect(idsOf(batches)).toEqual(["a"]);
  await clock.advance(1);
  expect(idsOf(batches)).toEqual(["a", "b"]);
  for (const batch of batches) batch.end.resolve();
  await clock.advance(0);
  results.push(submit("c"), submit("d"));
  await clock.advance(10);
  expect(idsOf(batches)).toEqual(["a", "b", "c"]);
  await endNext();
  expect(idsOf(batches)).toEqual(["a", "b", "c", "d"]);
  await endNext();
  expect(await Promise.all(results)).toEqual(["done a", "done b", "done c", "done d"]);
});

test("with a long round trip a batch starts once the work of the one before it is nearly done", async () => {
  const { clock, batches, submit } = openCommits({ batchesInFlightMax: 3, findWorkMs: toWork(4) });
  const results = [submit("a")];
  await clock.advance(44);
  batches[0]?.end.resolve();
  await clock.advance(0);
  results.push(...["b", "c", "d"].map((id) => submit(id)));
  await clock.advance(2);
  expect(idsOf(batches)).toEqual(["a", "b"]);
  await clock.advance(1);
  expect(idsOf(batches)).toEqual(["a", "b", "c,d"]);
  for (const batch of batches) batch.end.resolve();
  expect(await Promise.all(results)).toEqual(["done a", "done b", "done c", "done d"]);
});

test("behind others in flight a batch waits for more items for as long as every batch costs, but for no batch's end", async () => {
  const { clock, batches, submit } = openCommits({ batchesInFlightMax: 3, findWorkMs: toWork(4, 6) });
  const results = [submit("a")];
  await clock.advance(44);
  batches[0]?.end.resolve();
  await clock.advance(0);
  results.push(submit("b"));
  expect(idsOf(batches)).toEqual(["a", "b"]);
  await clock.advance(10);
  results.push(submit("c"));
  await clock.advance(5);
  results.push(submit("d"));
  expect(idsOf(batches)).toEqual(["a", "b"]);
  await clock.advance(1);
  expect(idsOf(batches)).toEqual(["a", "b", "c,d"]);
  for (const batch of batches) batch.end.resolve();
  expect(await Promise.all(results)).toEqual(["done a", "done b", "done c", "done d"]);
});
