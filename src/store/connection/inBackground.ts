import type { Database } from "./database.ts";

/** Neon suspends a compute this long after its last statement. Until then it is running: a statement does not start it. */
export const awakeAfterUseMs = 5 * 60_000;

/** The same database for background work: its calls do not count as use in `idleMs`. */
export function inBackground(database: Database): Database {
  return {
    ...database,
    run: (work, options) => database.run(work, { ...options, isBackground: true }),
    callFunction: (name, argumentJson, options) =>
      database.callFunction(name, argumentJson, { ...options, isBackground: true }),
  };
}
