// `bun run test:soak [--histories N] [--minutes M] [--seed S]`: a thousand histories, as many as asked for, or as many as
// fit into the minutes. What fails is printed as a command that repeats it: `--property P --seed S --path P`.
// With `--year [--days D] [--users N] [--seed S]`: one long history instead, see `simulateYear`.
import { parseArgs } from "node:util";
import * as fc from "fast-check";
import { openCourier } from "../support/courier.ts";
import { createProperties } from "../support/properties.ts";
import { simulateYear } from "../support/year/simulateYear.ts";

/** Histories between two lines of progress; each such round has a seed of its own. */
const roundHistories = 100;
/** In turn: most are of the kind where everything happens; a shuffle is four histories, all orders some twenty. */
const turns = ["convergence", "convergence", "reconcile", "convergence", "shuffles", "backfill"] as const;
const weights = { convergence: 1, reconcile: 1, backfill: 1, shuffles: 4, allOrders: 20 };

const { values } = parseArgs({
  options: {
    histories: { type: "string" },
    minutes: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    property: { type: "string" },
    path: { type: "string" },
    year: { type: "boolean" },
    days: { type: "string", default: "365" },
    users: { type: "string", default: "3000" },
  },
});
const wanted = {
  histories: Number(values.histories ?? (values.minutes === undefined ? 1_000 : Infinity)),
  minutes: Number(values.minutes ?? Infinity),
  seed: Number(values.seed),
};
const isKnown = (name: string | undefined): name is keyof typeof weights => name !== undefined && name in weights;
if (Object.values(wanted).some(Number.isNaN) || (values.property !== undefined && !isKnown(values.property))) {
  console.error(
    `Numbers for --histories, --minutes and --seed; --property is one of ${Object.keys(weights).join(", ")}.`,
  );
  process.exit(2);
}

const startedAtMs = Date.now();
if (values.year) await soakYear();
const courier = await openCourier();
const properties = createProperties(courier);
const one = isKnown(values.property) ? values.property : undefined;
let histories = 0;
let failed = false;

for (let round = 0; !failed && !isOver(); round += 1) {
  const name = one ?? turns[round % turns.length] ?? "convergence";
  const seed = wanted.seed + round;
  const rest = Math.min(roundHistories, wanted.histories - histories);
  const numRuns = Math.max(1, Math.round(rest / weights[name]));
  const replay = values.path === undefined ? {} : { path: values.path };
  const result = await fc.check<[never]>(properties[name] as unknown as fc.IAsyncProperty<[never]>, {
    seed,
    numRuns,
    ...replay,
  });
  histories += (values.path === undefined ? result.numRuns : 1) * weights[name];
  const minutes = ((Date.now() - startedAtMs) / 60_000).toFixed(1);
  if (result.failed) {
    failed = true;
    console.error(await fc.asyncDefaultReportMessage(result), result.errorInstance);
    console.error(`Repeat it: bun run test:soak --property ${name} --seed ${seed} --path ${result.counterexamplePath}`);
  }
  console.log(`${histories} histories, ${minutes} min, last seed ${seed} (${name})`);
  if (values.path !== undefined) break;
}

await courier.close();
console.log(failed ? "1 failed" : `${histories} histories held, none failed`);
process.exit(failed ? 1 : 0);

function isOver(): boolean {
  return histories >= wanted.histories || Date.now() - startedAtMs >= wanted.minutes * 60_000;
}

/** Some 200 events a day. With the defaults it took 30 minutes on two cores. */
async function soakYear(): Promise<never> {
  const report = await simulateYear({
    days: Number(values.days),
    users: Number(values.users),
    stepsADay: 4,
    eventDays: 30,
    ledgerDays: 90,
    rates: { signUps: 8, changes: 150, deletions: 5, others: 30, garbage: 1.5 },
    checkEveryDays: 7,
    withRelease: true,
    seed: wanted.seed,
    say: console.log,
  });
  console.log(JSON.stringify(report, null, 1));
  console.log(`${values.days} days held, ${((Date.now() - startedAtMs) / 60_000).toFixed(1)} min, seed ${wanted.seed}`);
  process.exit(0);
}
