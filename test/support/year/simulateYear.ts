// Simulates a year of one database and two copies of the server in some minutes, to check what grows, what retention removes
// and what the counters say. Time moves in steps. In each step users change at Clerk, due deliveries go to one of the
// copies, and the copies' own schedules run reconciles and retention.
import assert from "node:assert/strict";
import { createRandom } from "../../../src/dev/clerk/seeded.ts";
import { openSimulatedClerk } from "../../../src/dev/clerk/simulatedClerk.ts";
import { startCli } from "../cli.ts";
import { lastRelease, openLastRelease, openVariant } from "../programs.ts";
import { startServerProcess } from "../serverProcess.ts";
import { createYearCopies } from "./yearCopy.ts";
import { openYearDatabase } from "./yearDatabase.ts";
import { findBoundFaults, findLedgerFaults, findUserFaults, type YearFacts } from "./yearLedger.ts";
import { createOperators } from "./yearOperators.ts";
import { findGrowth, measureTables, type TableSize } from "./yearTables.ts";
import { createYearSender } from "./yearSender.ts";
import { createYearTraffic, type Rates } from "./yearTraffic.ts";

/** Options of `simulateYear`. */
export interface YearOptions {
  readonly days: number;
  /** Users at Clerk when the year begins. */
  readonly users: number;
  readonly stepsADay: number;
  /** `EVENT_RETENTION_DAYS` of the copies. */
  readonly eventDays: number;
  /** `LEDGER_RETENTION_DAYS` of the copies. */
  readonly ledgerDays: number;
  readonly rates: Rates;
  readonly checkEveryDays: number;
  /** Start with the tables of the last release; one of its copies takes deliveries during the step in the middle. */
  readonly withRelease: boolean;
  readonly seed: number;
  readonly say?: (text: string) => void;
}

const dayMs = 86_400_000;
const root = `${import.meta.dir}/../../..`;
/** Runs in the table when the year begins: their number reaches the limit during the year. */
const runsBefore = 9_500;
/** Days between two of each. */
const every = { kill: 10, stop: 13, operator: 5, vacuum: 7 };

/**
 * Runs the simulation.
 * @throws AssertionError at the first check that fails
 */
export async function simulateYear(options: YearOptions) {
  const { stepsADay, seed, say = () => undefined } = options;
  const steps = options.days * stepsADay;
  // The step in the middle is at the machine's time, because the clock of the last release cannot be moved.
  const middle = Math.floor(steps / 2);
  let offsetMs = 0;
  const now = () => Date.now() + offsetMs;
  const setStep = (step: number) => (offsetMs = (step - middle) * (dayMs / stepsADay));
  setStep(0);
  const random = createRandom(seed + 1);
  const closers: (() => unknown)[] = [];
  const open = async <T extends { close: () => unknown }>(opening: T | Promise<T>): Promise<T> => {
    const opened = await opening;
    closers.unshift(() => opened.close());
    return opened;
  };

  let releaseCopy: { readonly url: string } | undefined;

  try {
    const db = await open(openYearDatabase());
    const clerk = await open(
      openSimulatedClerk({ seed, users: options.users, secretKey: "sk_live_year", requestsPer10s: Infinity, now }),
    );
    const traffic = createYearTraffic({ clerk, seed, rates: options.rates, stepsADay, now });
    const operators = createOperators({ sql: db.sql, random });
    const copies = await open(
      createYearCopies({
        offsetMs: () => offsetMs,
        env: {
          DATABASE_URL: db.url,
          CLERK_SECRET_KEY: clerk.secretKey,
          CLERK_API_URL: clerk.apiUrl,
          EVENT_RETENTION_DAYS: String(options.eventDays),
          LEDGER_RETENTION_DAYS: String(options.ledgerDays),
        },
      }),
    );
    const pickUrl = () => {
      const urls = [...copies.urls(), ...(releaseCopy ? [releaseCopy.url] : [])];
      return urls[Math.floor(random() * urls.length)] ?? "";
    };
    const sender = createYearSender({ traffic, now, pickUrl });
    const release = options.withRelease ? await open(openLastRelease()) : undefined;
    const next = await open(openVariant("src/store/sql/rules.sql", (text) => `-- The next version.\n${text}`));
    if (release) await migrate(db.url, release.folder);
    await migrate(db.url, root);
    await db.sql`
      insert into sync_runs (id, kind, status, started_by, "full", started_at, finished_at, cursor)
      select gen_random_uuid(), 'reconcile', 'done', 'schedule', n % 24 = 0, at, at, '{}'
      from generate_series(1, ${runsBefore}) n, lateral (select to_timestamp(${now() / 1000}) - n * interval '1 hour') a(at)`;

    const checks = async (step: number, isEnd = false) => {
      const facts: YearFacts = {
        ...options,
        ...sender.figures(),
        sent: sender.sent,
        decisions: operators.decisions(),
        steps: step + 1,
        nowMs: now(),
        runsBefore,
        usersEver: traffic.activeIds.length + traffic.deletedIds.length,
      };
      const unsureIds = isEnd ? new Set<string>() : traffic.unsureIds(step);
      const faults = [
        ...(await findUserFaults(db.sql, { clerk, deletedIds: traffic.deletedIds, unsureIds })),
        ...(await findLedgerFaults(db.sql, facts)),
        ...(await findBoundFaults(db.sql, facts)),
      ];
      assert.deepEqual(faults.slice(0, 20), [], `day ${step / stepsADay}, seed ${seed}: ${faults.length} faults`);
    };

    await copies.start(0);
    await copies.start(1);
    let halfSizes: TableSize[] = [];
    for (let step = 0; step < steps; step += 1) {
      const isDay = (days: number, at = 0) => step % (days * stepsADay) === at;
      setStep(step);
      traffic.changeUsers(step);
      if (isDay(every.operator, 1)) await operators.decide(copies.urls()[0] ?? "");
      if (step === middle && release) {
        releaseCopy = await open(startServerProcess({ databaseUrl: db.url, folder: release.folder }));
      }
      for (const [place, day] of [1, 3].entries()) {
        if (step !== middle + day * stepsADay) continue;
        // Two versions serve until the second copy is replaced.
        if (place === 0) await migrate(db.url, next.folder);
        await copies.update(place, next.folder);
      }
      await db.moveClock(offsetMs);
      const place = Math.floor(random() * 2);
      const isKilled = isDay(every.kill, 3);
      const isStopped = !isKilled && isDay(every.stop, 2);
      const meanwhile = isKilled || isStopped ? () => copies.end(place, isKilled ? "close" : "stop") : undefined;
      await Promise.all([copies.move(offsetMs), sender.sendDue(step, meanwhile)]);
      await copies.ensure(place);
      if (releaseCopy && step === middle) {
        releaseCopy = undefined;
        say(`day ${step / stepsADay}: ${lastRelease.version} took its share of the deliveries`);
      }
      if (isDay(every.vacuum)) await db.sql.unsafe("vacuum (analyze)");
      if (step === middle) halfSizes = await measureTables(db.sql);
      if (isDay(options.checkEveryDays, stepsADay - 1)) await checks(step);
      if (isDay(30)) say(`day ${step / stepsADay}: ${sender.figures().deliveries} deliveries`);
    }

    await operators.reconcile(copies.urls()[0] ?? "");
    await checks(steps - 1, true);
    const sizes = await measureTables(db.sql);
    assert.deepEqual(findGrowth(halfSizes, sizes), [], `seed ${seed}`);
    const runs = await db.sql`select status, error, count(*)::int as runs from sync_runs group by 1, 2 order by 3 desc`;
    return {
      ...copies.figures(),
      ...sender.figures(),
      ...traffic.figures(),
      decisions: operators.decisions(),
      runs: [...runs],
      halfSizes,
      sizes,
    };
  } finally {
    for (const close of closers) await close();
  }
}

async function migrate(databaseUrl: string, folder: string): Promise<void> {
  const { code, stderr } = await startCli(["migrate"], { DATABASE_URL: databaseUrl }, { folder }).ended;
  assert.equal(code, 0, stderr);
}
