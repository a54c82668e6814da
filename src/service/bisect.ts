/**
 * Commits a batch. If it fails because of an item, bisects it until each poison item is isolated.
 * @param options.isItemAtFault whether the error is about an item of the batch; any other error is rethrown
 * @param options.isExpensive whether such a failure takes so long that every item is next committed alone
 * @param options.onCulprit gives the result of an isolated poison item
 * @returns the results of `commit` and `onCulprit`, in the order of the items
 */
export async function bisect<Item, Result>(
  items: readonly Item[],
  options: {
    readonly commit: (items: readonly Item[], startPlace: number) => Promise<readonly Result[]>;
    readonly isItemAtFault: (error: unknown) => boolean;
    readonly isExpensive?: (error: unknown) => boolean;
    readonly onCulprit: (item: Item, error: unknown, place: number) => Promise<Result>;
  },
): Promise<Result[]> {
  async function commitPart(part: readonly Item[], startPlace: number): Promise<readonly Result[]> {
    try {
      return await options.commit(part, startPlace);
    } catch (error) {
      const [first] = part;
      if (first === undefined || !options.isItemAtFault(error)) throw error;
      if (part.length === 1) return [await options.onCulprit(first, error, startPlace)];
      const length = options.isExpensive?.(error) ? 1 : Math.ceil(part.length / 2);
      const results: Result[] = [];
      for (let place = 0; place < part.length; place += length) {
        results.push(...(await commitPart(part.slice(place, place + length), startPlace + place)));
      }
      return results;
    }
  }
  return [...(await commitPart(items, 0))];
}
