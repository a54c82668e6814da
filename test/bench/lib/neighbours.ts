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
import { median } from "./stage.ts";

/** What a load met while something else used the same database. */
export interface Neighbour {
  readonly what: string;
  readonly sent: number;
  /** Not answered 200 though nothing stood in the way of that user. */
  readonly refused: number;
  readonly wrong: number;
  readonly p99Ms: number;
  /** Of the throughput without the neighbour; undefined where the load is not as large as the server can take. */
  readonly share: number | undefined;
  readonly holds: boolean;
}

/** Nothing that is locked or slow for one user delays another user's delivery by more. */
const p99MsMax = 1_000;
/** Of the throughput while a snapshot is held. */
const heldShareMin = 0.7;
const storedUsers = 1_000;
const backfilledUsers = 300;
const spellMs = 2_500;
const spells = 4;
const adminToken = "bench-admin-token-of-at-least-32-characters";

/** Locked rows, a slow trigger under a burst and beside a backfill, a held snapshot; each on tables of its own. */
export async function runNeighbours(tools: BenchTools, heldMs: number): Promise<Neighbour[]> {
  const found = [
    await meet(tools, "locked", measureLocked),
    await meet(tools, "burst", measureBurst),
    await meet(tools, "backfill", measureBesideBackfill),
    await meet(tools, "held", (world) => measureHeld(world, heldMs)),
  ];
  for (const { what, sent, refused, p99Ms } of found)
    tools.say(`${what}: ${sent} sent, ${refused} refused, p99 ${Math.round(p99Ms)} ms`);
  return found;
}

interface World {
  readonly tools: BenchTools;
  readonly database: BenchDatabase;
  readonly sql: postgres.Sql;
  readonly target: Target;
  readonly clerk: () => Promise<unknown>;
}

async function meet(
  tools: BenchTools,
  name: string,
  work: (world: World) => Promise<Omit<Neighbour, "wrong">>,
): Promise<Neighbour> {
  const database = await createDatabase(tools.server, {
    name: `bench_neighbour_${name}`,
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
    const clerk = () => client.runs.start.mutate({ kind: "backfill" });
    const found = await work({ tools, database, sql, target, clerk });
    const { wrong } = await checkTables(database, target.answered);
    return { ...found, wrong, holds: found.holds && wrong === 0 && found.refused === 0 };
  } finally {
    await server.stop();
    await clerkChild.stop();
    await sql.end({ timeout: 1 });
    await tools.server.dropDatabase(database.name);
  }
}

async function measureLocked({ tools, sql, target, database }: World) {
  await warmUp(tools, target, 16);
  const quiet = await measure(tools, target, { atOnce: 16, durationMs: spellMs });
  const undone = new Error("undone");
  let beside: Sample | undefined;
  await sql
    .begin(async (tx) => {
      await tx`select from users where clerk_id like '%7' for update`;
      beside = await measure(tools, target, { atOnce: 16, durationMs: spellMs });
      throw undone;
    })
    .catch((error: unknown) => {
      if (error !== undone) throw error;
    });
  const { sent = 0, failed = [] } = target.answered.at(-1) ?? {};
  const refused = failed.filter((place) => !toDelivery(place, database.stored).clerkId.endsWith("7")).length;
  const p99Ms = beside?.p99Ms ?? NaN;
  const share = (beside?.perSecond ?? NaN) / quiet.perSecond;
  return { what: "a tenth of the rows locked, 16 at once", sent, refused, p99Ms, share, holds: p99Ms < p99MsMax };
}

async function slowDown(sql: postgres.Sql, rowMs: number): Promise<void> {
  await sql.unsafe(`
    create function team_slow() returns trigger language plpgsql as
      $$ begin perform pg_sleep(${rowMs / 1_000}); return new; end $$;
    create trigger team_slow before insert on mentorados for each row execute function team_slow()`);
}

/** Every second of at most 600 deliveries is a sign-up. */
async function measureBurst({ tools, sql, target }: World) {
  await warmUp(tools, target, 16);
  await slowDown(sql, 16);
  target.perSecond = 0;
  target.p50Ms = 0;
  const { p99Ms } = await measure(tools, target, { atOnce: 300, durationMs: 5_000 });
  const { sent = 0, failed = [] } = target.answered.at(-1) ?? {};
  return {
    what: "300 sign-ups and 300 changes, 300 at once, each new mentorado takes a trigger 16 ms",
    sent,
    refused: failed.length,
    p99Ms,
    share: undefined,
    holds: sent >= 600,
  };
}

async function measureBesideBackfill({ tools, sql, target, clerk }: World) {
  await warmUp(tools, target, 4);
  await slowDown(sql, 10);
  await clerk();
  const { p99Ms } = await measure(tools, target, { atOnce: 4, durationMs: spellMs });
  const { sent = 0, failed = [] } = target.answered.at(-1) ?? {};
  return {
    what: `a backfill of ${backfilledUsers} users whose mentorados take a trigger 10 ms each, 4 at once`,
    sent,
    refused: failed.length,
    p99Ms,
    share: undefined,
    holds: p99Ms < p99MsMax,
  };
}

async function measureHeld({ tools, sql, target }: World, heldMs: number) {
  const load = () => measure(tools, target, { atOnce: 64, durationMs: spellMs });
  const some = async () => {
    const samples = [];
    for (let spell = 0; spell < spells; spell++) samples.push(await load());
    return median(samples.map((sample) => sample.perSecond));
  };
  await warmUp(tools, target, 64);
  let held = NaN;
  await sql.begin("isolation level repeatable read", async (tx) => {
    await tx`select count(*) from users`;
    const endsAt = performance.now() + heldMs - spells * spellMs;
    while (performance.now() < endsAt) await load();
    held = await some();
  });
  // The same tables without it: what is left is what the snapshot cost.
  await sql.unsafe("vacuum");
  const free = await some();
  const share = held / free;
  const sent = target.answered.reduce((sum, part) => sum + part.sent, 0);
  const refused = target.answered.reduce((sum, part) => sum + part.failed.length, 0);
  const what = `a snapshot held for ${Math.round(heldMs / 1_000)} s, 64 at once`;
  return { what, sent, refused, p99Ms: NaN, share, holds: share >= heldShareMin };
}
