import postgres from "postgres";
import { createSyncClient } from "../../../src/trpc/client.ts";
import type { ClerkAnswer, ClerkRequest } from "../backfillClerk.ts";
import { checkTables } from "./checkTables.ts";
import { startContestant } from "./contestants.ts";
import { createDatabase, type BenchDatabase } from "./databases.ts";
import { toDelivery } from "./deliveries.ts";
import { startIpcChild } from "./ipcChild.ts";
import { measure, warmUp, type Sample, type Target } from "./measure.ts";
import type { BenchTools } from "./openBench.ts";
import {
  backfilledUsers,
  measureBesideBackfill,
  measureBurst,
  measureSlowUser,
  p99MsMax,
  windowMs,
} from "./slowTriggers.ts";
import { median } from "./stage.ts";

/** Result of a load while another program uses the same database. */
export interface Interference {
  readonly what: string;
  readonly sent: number;
  /** Not answered 200 although that user was not affected by the other program. */
  readonly refused: number;
  readonly wrong: number;
  readonly p99Ms: number;
  /** Share of the throughput without it; undefined where the load is below the capacity of the server. */
  readonly share: number | undefined;
  readonly passed: boolean;
}

/** Least share of the throughput while a snapshot is held. */
const heldShareMin = 0.7;
const storedUsers = 1_000;
const windows = 4;
const adminToken = "bench-admin-token-of-at-least-32-characters";

/** Locked rows, slow triggers, a held snapshot; each on tables of its own. */
export async function measureInterference(tools: BenchTools, heldMs: number): Promise<Interference[]> {
  const found = [
    await measureBeside(tools, "locked", measureLocked),
    await measureBeside(tools, "burst", measureBurst),
    await measureBeside(tools, "backfill", measureBesideBackfill),
    await measureBeside(tools, "slow", measureSlowUser),
    await measureBeside(tools, "held", (setup) => measureHeld(setup, heldMs)),
  ];
  for (const { what, sent, refused, p99Ms } of found)
    tools.say(`${what}: ${sent} sent, ${refused} refused, p99 ${Math.round(p99Ms)} ms`);
  return found;
}

/** A server with a database of its own. */
export interface Setup {
  readonly tools: BenchTools;
  readonly database: BenchDatabase;
  readonly sql: postgres.Sql;
  readonly target: Target;
  /** Starts a backfill of `backfilledUsers` users. */
  readonly backfill: () => Promise<unknown>;
}

async function measureBeside(
  tools: BenchTools,
  name: string,
  work: (setup: Setup) => Promise<Omit<Interference, "wrong">>,
): Promise<Interference> {
  const database = await createDatabase(tools.server, {
    name: `bench_beside_${name}`,
    tables: "this",
    stored: storedUsers,
  });
  const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  const clerkChild = await startIpcChild<ClerkRequest, ClerkAnswer>("backfillClerk.ts");
  const { apiUrl, secretKey } = await clerkChild.ask({ users: backfilledUsers });
  const server = await startContestant("this", database.url, {
    CLERK_API_URL: apiUrl,
    CLERK_SECRET_KEY: secretKey,
    ADMIN_API_TOKEN: adminToken,
  });
  try {
    const target: Target = { server, database, answered: [], perSecond: 0, p50Ms: 0 };
    const client = createSyncClient({ url: server.url, token: adminToken });
    const backfill = () => client.runs.start.mutate({ kind: "backfill" });
    const found = await work({ tools, database, sql, target, backfill });
    const { wrong } = await checkTables(database, target.answered);
    return { ...found, wrong, passed: found.passed && wrong === 0 && found.refused === 0 };
  } finally {
    await server.stop();
    await clerkChild.stop();
    await sql.end({ timeout: 1 });
    await tools.server.dropDatabase(database.name);
  }
}

async function measureLocked({ tools, sql, target, database }: Setup) {
  await warmUp(tools, target, 16);
  const quiet = await measure(tools, target, { atOnce: 16, durationMs: windowMs });
  const undone = new Error("undone");
  let beside: Sample | undefined;
  await sql
    .begin(async (tx) => {
      await tx`select from users where clerk_id like '%7' for update`;
      beside = await measure(tools, target, { atOnce: 16, durationMs: windowMs });
      throw undone;
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error;
    });
  const { sent = 0, failed = [] } = target.answered.at(-1) ?? {};
  const refused = failed.filter((place) => !toDelivery(place, database.stored).clerkId.endsWith("7")).length;
  const p99Ms = beside?.p99Ms ?? NaN;
  const share = (beside?.perSecond ?? NaN) / quiet.perSecond;
  return { what: "a tenth of the rows locked, 16 at once", sent, refused, p99Ms, share, passed: p99Ms < p99MsMax };
}

async function measureHeld({ tools, sql, target }: Setup, heldMs: number) {
  const load = () => measure(tools, target, { atOnce: 64, durationMs: windowMs });
  const some = async () => {
    const samples = [];
    for (let window = 0; window < windows; window++) samples.push(await load());
    return median(samples.map((sample) => sample.perSecond));
  };
  await warmUp(tools, target, 64);
  let held = NaN;
  await sql.begin("isolation level repeatable read", async (tx) => {
    await tx`select count(*) from users`;
    const endsAt = performance.now() + heldMs - windows * windowMs;
    while (performance.now() < endsAt) await load();
    held = await some();
  });
  // The same tables without the snapshot: the difference is what it costs.
  await sql.unsafe("vacuum");
  const free = await some();
  const share = held / free;
  const sent = target.answered.reduce((sum, part) => sum + part.sent, 0);
  const refused = target.answered.reduce((sum, part) => sum + part.failed.length, 0);
  const what = `a snapshot held for ${Math.round(heldMs / 1_000)} s, 64 at once`;
  return { what, sent, refused, p99Ms: NaN, share, passed: share >= heldShareMin };
}
