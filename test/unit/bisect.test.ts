import { expect, test } from "bun:test";
import { bisect } from "../../src/service/bisect.ts";

const poison = new Error("poison");

/** Commits unless one of `culprits` is in the batch. */
async function run(items: readonly string[], culprits: readonly string[], isExpensive?: () => boolean) {
  const committed: string[] = [];
  const results = await bisect(items, {
    commit: async (part, startPlace) => {
      expect(items.slice(startPlace, startPlace + part.length)).toEqual([...part]);
      if (part.some((item) => culprits.includes(item))) throw poison;
      committed.push(part.join(""));
      return part.map((item) => `${item} done`);
    },
    isItemAtFault: (error) => error === poison,
    ...(isExpensive && { isExpensive }),
    onCulprit: async (item, error, place) => {
      expect([items[place], error]).toEqual([item, poison]);
      return `${item} kept`;
    },
  });
  return { committed, results };
}

test("a batch without a poison item is committed once, an empty one too", async () => {
  expect(await run(["a", "b"], [])).toEqual({ committed: ["ab"], results: ["a done", "b done"] });
  expect(await run([], [])).toEqual({ committed: [""], results: [] });
});

test("every poison item is isolated, the others are committed, and results keep the order of the items", async () => {
  expect(await run("abcdefg".split(""), ["b", "g"])).toEqual({
    committed: ["a", "cd", "ef"],
    results: ["a done", "b kept", "c done", "d done", "e done", "f done", "g kept"],
  });
});

test("after an expensive failure every item is committed alone, so that a poison item fails two commits in all", async () => {
  expect(await run("abcde".split(""), ["d"], () => true)).toEqual({
    committed: ["a", "b", "c", "e"],
    results: ["a done", "b done", "c done", "d kept", "e done"],
  });
});

test("an error that is not about an item fails the batch and is not bisected", async () => {
  let commits = 0;
  const away = new Error("away");
  const failing = bisect([1, 2, 3], {
    commit: async () => {
      commits += 1;
      throw away;
    },
    isItemAtFault: () => false,
    onCulprit: () => Promise.resolve(0),
  });
  expect(await failing.catch((error: unknown) => error)).toBe(away);
  expect(commits).toBe(1);
});
