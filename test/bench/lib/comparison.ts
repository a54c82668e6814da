import type { TableCheck } from "./checkTables.ts";
import { buildArtefact, startContestant, type ContestantName } from "./contestants.ts";
import { createDatabase, type BenchDatabase } from "./databases.ts";
import { runEndurance } from "./endurance.ts";
import { runHistory, type HistoryFindings } from "./history.ts";
import { measureLedgerRow } from "./ledgerRowBytes.ts";
import { measureLinkRoundTrip } from "./linkRoundTrip.ts";
import { measureInterference } from "./interference.ts";
import type { BenchTools } from "./openBench.ts";
import type { Findings } from "./report.ts";
import { runStage, type Cell } from "./stage.ts";
import { measureStartUp } from "./startUp.ts";

const million = 1_000_000;
/** How much of the matrix is measured, and for how long. */
export interface Plan {
  readonly stored: readonly number[];
  readonly roundTripsMs: readonly number[];
  readonly atOnce: readonly number[];
  readonly rounds: number;
  readonly durationMs: number;
  readonly startUps: number;
  readonly windows: number;
  /** How long a snapshot is held, milliseconds. */
  readonly heldMs: number;
}

/** A database that fits into memory, to hold the million against. */
export const comparedStored = 20_000;
const rivals: readonly ContestantName[] = ["B1", "B3", "this"];

/** Measures this program, the baselines and the null server in turns; what a bench without options prints. */
export async function runComparison(tools: BenchTools, plan: Plan): Promise<Findings> {
  const cells: Cell[] = [];
  const wrong = new Map<ContestantName, TableCheck>();
  const stage = async (
    stored: number,
    roundTripMs: number,
    databases: Map<ContestantName, BenchDatabase | undefined>,
  ) => {
    const rest = stored === comparedStored ? { ...plan, atOnce: [64] } : plan;
    const result = await runStage({ ...tools, databases }, { ...rest, stored, roundTripMs });
    cells.push(...result.cells);
    for (const [name, check] of result.wrong) addCheck(wrong, name, check);
  };
  for (const stored of plan.stored) {
    const pooled = tools.pooler && stored === 0 ? (["pooled"] as const) : [];
    let databases = await openDatabases(tools, [...rivals, ...pooled], stored);
    for (const roundTripMs of plan.roundTripsMs) {
      const none = stored === 0 && roundTripMs === 0 ? ([["null", undefined]] as const) : [];
      await stage(stored, roundTripMs, new Map([...databases, ...none]));
      // Empty means empty, also at the next distance.
      if (stored === 0) databases = await reopen(tools, databases);
    }
    if (stored === million) await stage(comparedStored, 0, await openDatabases(tools, ["this"], comparedStored));
    await dropDatabases(tools, databases);
  }
  const linkMs = await measureLinkRoundTrip(tools, 20);
  const ledger = await createDatabase(tools.server, { name: "bench_ledger", tables: "this", stored: comparedStored });
  const ledgerRowBytes = await measureLedgerRow(ledger);
  await tools.server.dropDatabase(ledger.name);
  const databases = await openDatabases(tools, rivals, 0);
  const history = await runHistories(databases);
  buildArtefact();
  const artefacts = await openDatabases(tools, ["artefact"], 0);
  const startUps = await measureStartUp(new Map([...databases, ...artefacts]), plan.startUps);
  await dropDatabases(tools, artefacts);
  const fresh = await reopen(tools, databases);
  const mine = fresh.get("this");
  const endurance = mine ? await runEndurance(tools, mine, (samples) => samples.length < plan.windows) : undefined;
  if (endurance) addCheck(wrong, "this", endurance.check);
  await dropDatabases(tools, fresh);
  const interference = await measureInterference(tools, plan.heldMs);
  return {
    cells,
    wrong,
    history,
    startUps,
    linkMs,
    ledgerRowBytes,
    interference,
    endurance: endurance?.samples ?? [],
    bunVersion: Bun.version,
  };
}

function addCheck(wrong: Map<ContestantName, TableCheck>, name: ContestantName, check: TableCheck): void {
  const before = wrong.get(name) ?? { users: 0, wrong: 0 };
  wrong.set(name, { users: before.users + check.users, wrong: before.wrong + check.wrong });
}

async function openDatabases(
  tools: BenchTools,
  names: readonly ContestantName[],
  stored: number,
): Promise<Map<ContestantName, BenchDatabase>> {
  const databases = new Map<ContestantName, BenchDatabase>();
  for (const name of names) {
    tools.say(`Making the database of ${name} with ${stored} users`);
    const tables = name === "B1" || name === "B3" ? "baseline" : "this";
    databases.set(
      name,
      await createDatabase(tools.server, { name: `bench_${name.toLowerCase()}_${stored}`, tables, stored }),
    );
  }
  return databases;
}

async function dropDatabases(tools: BenchTools, databases: ReadonlyMap<ContestantName, BenchDatabase>): Promise<void> {
  for (const { name } of databases.values()) await tools.server.dropDatabase(name);
}

async function reopen(tools: BenchTools, databases: ReadonlyMap<ContestantName, BenchDatabase>) {
  await dropDatabases(tools, databases);
  return openDatabases(tools, [...databases.keys()], 0);
}

async function runHistories(databases: ReadonlyMap<ContestantName, BenchDatabase>) {
  const history = new Map<ContestantName, HistoryFindings>();
  for (const [name, database] of databases) {
    const contestant = await startContestant(name, database.url);
    try {
      history.set(name, await runHistory(database, contestant.url));
    } finally {
      await contestant.stop();
    }
  }
  return history;
}
