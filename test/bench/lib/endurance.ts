import { startContestant } from "./contestants.ts";
import type { BenchDatabase } from "./databases.ts";
import { checkTables, type TableCheck } from "./checkTables.ts";
import { measure, warmUp, type Bench, type Sample, type Target } from "./measure.ts";

const atOnce = 64;
/** Length of one measurement: its deliveries are signed before and checked in the tables after it. */
export const windowMs = 2_500;

/** This program under load without a pause longer than signing and checking take. */
export async function runEndurance(
  bench: Bench,
  database: BenchDatabase,
  goesOn: (samples: readonly Sample[]) => boolean,
): Promise<{ samples: Sample[]; check: TableCheck }> {
  const server = await startContestant("this", database.url);
  const target: Target = { server, database, answered: [], perSecond: 0, p50Ms: 0 };
  const samples: Sample[] = [];
  const check = { users: 0, wrong: 0 };
  try {
    await warmUp(bench, target, atOnce);
    while (goesOn(samples)) {
      samples.push(await measure(bench, target, { atOnce, durationMs: windowMs }));
      const { users, wrong } = await checkTables(database, target.answered);
      check.users += users;
      check.wrong += wrong;
    }
  } finally {
    await server.stop();
  }
  return { samples, check };
}
