import { startContestant } from "./contestants.ts";
import type { BenchDatabase } from "./databases.ts";
import { checkTables } from "./checkTables.ts";
import { measure, warmUp, type Bench, type Sample, type Target } from "./measure.ts";

const atOnce = 64;
const spellMs = 2_500;

/** This program under load without a pause longer than signing takes; one sample a spell. */
export async function runEndurance(bench: Bench, database: BenchDatabase, spells: number): Promise<Sample[]> {
  const server = await startContestant("this", database.url);
  const target: Target = { server, database, answered: [], perSecond: 0, p50Ms: 0 };
  const samples: Sample[] = [];
  try {
    await warmUp(bench, target, atOnce);
    for (let spell = 0; spell < spells; spell++)
      samples.push(await measure(bench, target, { atOnce, durationMs: spellMs }));
    const { wrong } = await checkTables(database, target.answered);
    if (wrong > 0) throw new Error(`${wrong} users answered 200 are not in the tables as they should be`);
  } finally {
    await server.stop();
  }
  return samples;
}
