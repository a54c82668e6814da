import type postgres from "postgres";
import { signHeaders, toDelivery } from "./deliveries.ts";
import type { Setup } from "./interference.ts";
import { measure, warmUp } from "./measure.ts";

/** Limit for the deliveries of users that are not locked or slow. */
export const p99MsMax = 1_000;
export const windowMs = 2_500;
export const backfilledUsers = 300;
const newMentorados = "insert on mentorados for each row";
/** A place that no measurement reaches; even, so its delivery creates a user. */
const slowPlace = 100_000_000;

/** @param rows what the trigger is for, as in `create trigger` */
async function slowDown(sql: postgres.Sql, rows: string, rowMs: number): Promise<void> {
  await sql.unsafe(`
    create function team_slow() returns trigger language plpgsql as
      $$ begin perform pg_sleep(${rowMs / 1_000}); return new; end $$;
    create trigger team_slow before ${rows} execute function team_slow()`);
}

/** At most 600 deliveries, every second one a sign-up. */
export async function measureBurst({ tools, sql, target }: Setup) {
  await warmUp(tools, target, 16);
  await slowDown(sql, newMentorados, 16);
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
    passed: sent >= 600,
  };
}

export async function measureBesideBackfill({ tools, sql, target, backfill }: Setup) {
  await warmUp(tools, target, 4);
  await slowDown(sql, newMentorados, 10);
  await backfill();
  const { p99Ms } = await measure(tools, target, { atOnce: 4, durationMs: windowMs });
  const { sent = 0, failed = [] } = target.answered.at(-1) ?? {};
  return {
    what: `a backfill of ${backfilledUsers} users whose mentorados take a trigger 10 ms each, 4 at once`,
    sent,
    refused: failed.length,
    p99Ms,
    share: undefined,
    passed: p99Ms < p99MsMax,
  };
}

/** The slow user is new, and is delivered again half a second after each answer. */
export async function measureSlowUser({ tools, sql, target, database }: Setup) {
  await warmUp(tools, target, 16);
  const { clerkId, svixId, body } = toDelivery(slowPlace, database.stored);
  await slowDown(sql, `insert on users for each row when (new.clerk_id = '${clerkId}')`, 3_000);
  const load = measure(tools, target, { atOnce: 16, durationMs: windowMs });
  const hasEnded = load.then(() => true);
  do {
    const headers = { "content-type": "application/json", ...signHeaders(svixId, body) };
    await fetch(`${target.server.url}/api/webhooks/clerk`, { method: "POST", headers, body });
  } while ((await Promise.race([hasEnded, Bun.sleep(500)])) !== true);
  const { p99Ms } = await load;
  const { sent = 0, failed = [] } = target.answered.at(-1) ?? {};
  return {
    what: "one new user for whom a trigger takes 3 s, delivered all the time, 16 others at once",
    sent,
    refused: failed.length,
    p99Ms,
    share: undefined,
    passed: p99Ms < p99MsMax,
  };
}
