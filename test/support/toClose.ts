import { afterAll, afterEach, beforeAll } from "bun:test";

/** What is to be closed after the test, in this order. */
export const toClose: (() => unknown)[] = [];

// Named as a preload in bunfig.toml, so that it holds for every file: a hook in a module that several files share is
// registered for the first of them only.
afterEach(async () => {
  for (const close of toClose.splice(0)) await close();
});

interface Closable {
  close(): unknown;
}

/** Opens something for one test; closed after it, what was opened last first. */
export async function openForTest<T extends Closable>(opening: T | Promise<T>): Promise<T> {
  const opened = await opening;
  toClose.unshift(() => opened.close());
  return opened;
}

const openForThisFile: Closable[] = [];

/**
 * Opens something for all tests of a file and closes it after them, what was opened last first. Its members are there
 * once the tests run; they are copied, so none may be a getter.
 */
export function openForFile<T extends Closable>(open: () => T | Promise<T>): T {
  const members = {} as T;
  beforeAll(async () => {
    const opened = await open();
    openForThisFile.push(opened);
    Object.assign(members, opened);
    // A browser on a busy machine takes the longest.
  }, 60_000);
  afterAll(() => openForThisFile.pop()?.close());
  return members;
}
