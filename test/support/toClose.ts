import { afterEach } from "bun:test";

/** What is to be closed after the test, in this order. */
export const toClose: (() => unknown)[] = [];

// Named as a preload in bunfig.toml, so that it holds for every file: a hook in a module that several files share is
// registered for the first of them only.
afterEach(async () => {
  for (const close of toClose.splice(0)) await close();
});
