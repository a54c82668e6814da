import { expect, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { createRetention } from "../../src/service/retention.ts";
import { listEventHours } from "../../src/store/events/eventSeries.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { findMissingGrants } from "../../src/store/migration/missingGrants.ts";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";
import { findEventFigures } from "../../src/store/status/figures.ts";
import { openLimitedRole } from "../support/limitedRole.ts";
import { openTestApp, type TestApp } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

const dayMs = 86_400_000;
const outcomes = ["applied", "unchanged", "stale", "ignored", "dead", "duplicate"];

/** As several processes do it, all at the same time. */
async function sweep({ database }: TestApp): Promise<void> {
  const deps = { database, keepMs: 1_000 * dayMs, log: silentLog };
  await Promise.all([createRetention(deps).sweep(), createRetention(deps).sweep()]);
}

/** Events by outcome: the totals, and what the rows of all times add up to. */
async function readSums({ sql }: TestApp) {
  const rows = await sql<{ outcome: string; totals: number; history: number }[]>`
    select outcome, (sum(events) filter (where hour = '-infinity'))::int as totals,
           (sum(events) filter (where hour <> '-infinity'))::int as history
    from event_counters group by outcome`;
  return new Map(rows.map(({ outcome, totals, history }) => [outcome, [totals, history]]));
}

/** How many pages of table and index the look-up of a counter reads; of the counter with the most. */
async function countPagesMax({ sql }: TestApp, table: string, time: string): Promise<number> {
  const rows = await sql<{ time: string }[]>`select ${sql(time)}::text as time from ${sql(table)}`;
  const pages = await Promise.all(
    rows.map(async (row) => {
      const [plan] = await sql.unsafe<{ "QUERY PLAN": [{ Plan: { "Shared Hit Blocks": number } }] }[]>(`
        explain (analyze, buffers, format json) select events from ${table}
        where ${time} = '${row.time}' and outcome = 'ignored' and lag_bucket = -1`);
      return plan?.["QUERY PLAN"][0].Plan["Shared Hit Blocks"] ?? Number.NaN;
    }),
  );
  return Math.max(...pages);
}

test("while another program holds a snapshot, a counter is found in a few pages after hundreds of batches", async () => {
  const t = await openForTest(openTestApp());
  const holder = await t.sql.reserve();
  try {
    await holder`begin isolation level repeatable read`;
    await holder`select from users`;
    // A hundred a second, by the time of the functions.
    await t.sql.unsafe(`
      do $do$
      declare
        began_at constant timestamptz := date_trunc('hour', now());
      begin
        for n in 1..600 loop
          perform set_config('clerk_neon_sync.clock_offset', (began_at + n * interval '10 ms' - clock_timestamp())::text, false);
          perform ${functionsSchema}.apply_user_changes(
            '{"separator": "|"}',
            jsonb_populate_record(null::${functionsSchema}.change, jsonb_build_object(
              'kind', 'ignored', 'svix_id', 'msg_' || n, 'type', 'x.y', 'received_at', began_at))::text || '||');
          commit;
        end loop;
        perform set_config('clerk_neon_sync.clock_offset', '', false);
      end $do$`);
    expect((await findEventFigures(t.database)).events.ignored).toBe(600);
    // Counted in one row each, it were 14.
    expect(await countPagesMax(t, "event_counters", "hour")).toBeLessThan(8);
    expect(await countPagesMax(t, "event_counters_recent", "second")).toBeLessThan(8);
  } finally {
    await holder`rollback`;
    holder.release();
  }
});

test("figures are kept by the hour for a year, by the day for ten, then by the year: rows are bounded, no event is lost", async () => {
  const t = await openForTest(openTestApp());
  const lagBuckets = 3;
  // Two outcomes in one hour of each day of 13 years, one of them in every hour of the last 380 days, and all of them, with
  // lags, in every hour of the last 35.
  await t.sql`
    insert into event_counters (hour, outcome, lag_bucket, events, lag_ms_sum)
    select hour, outcome, -1, 2, 0 from generate_series(
        date_trunc('hour', now(), 'UTC') - interval '13 years', now(), '1 hour') hour, unnest(${outcomes}::text[]) outcome
    where hour > now() - interval '380 days' and outcome = 'applied' or hour > now() - interval '35 days'
       or extract(hour from hour at time zone 'UTC') = 7 and outcome in ('applied', 'duplicate')
    union all
    select hour, 'applied', bucket, 1, 20 from generate_series(
        date_trunc('hour', now(), 'UTC') - interval '35 days', now(), '1 hour') hour, generate_series(1, ${lagBuckets}::int) bucket`;
  await t.sql`
    insert into event_counters (hour, outcome, lag_bucket, events)
    select '-infinity', outcome, -1, sum(events) from event_counters group by outcome`;
  const before = await readSums(t);
  const recently = await listEventHours(t.database, { hours: 720 });
  await sweep(t);
  expect(await readSums(t)).toEqual(before);
  expect(await listEventHours(t.database, { hours: 720 })).toEqual(recently);
  const [kept] = await t.sql<{ lags: number; hours: number; days: number; years: number; odd: number }[]>`
    select count(*) filter (where lag_bucket >= 0)::int as lags,
           count(*) filter (where lag_bucket < 0 and hour >= now() - interval '1 year')::int as hours,
           count(*) filter (where hour > now() - interval '10 years' and hour < now() - interval '367 days')::int as days,
           count(*) filter (where hour < now() - interval '11 years')::int as years,
           count(*) filter (where hour < now() - interval '367 days' and hour <> date_trunc('day', hour, 'UTC'))::int as odd
    from event_counters where hour <> '-infinity'`;
  const each = outcomes.length;
  expect(kept?.lags).toBeLessThanOrEqual(32 * 24 * lagBuckets);
  expect(kept?.hours).toBeLessThanOrEqual(367 * 24 * each);
  expect(kept?.days).toBeLessThanOrEqual(9 * 366 * each);
  expect(kept?.years).toBeLessThanOrEqual(3 * each);
  expect(kept?.odd).toBe(0);
});

test("an event of last year that is settled anew leaves the totals and the history alike", async () => {
  const t = await openForTest(openTestApp());
  await t.deliver("not an event", { svixId: "msg_dead" });
  await t.sql`update webhook_events set settled_at = settled_at - interval '500 days'`;
  await t.sql`update event_counters_recent set second = second - interval '500 days'`;
  await sweep(t);
  expect(await t.sql`select hour from event_counters where events <> 0`).toHaveLength(2);
  await t.services.events.replay({ svixId: "msg_dead", actor: "test" });
  await sweep(t);
  const { events } = await findEventFigures(t.database);
  expect(events).toEqual({ applied: 0, unchanged: 0, stale: 0, ignored: 0, dead: 1 });
  const recent = await t.sql`select outcome, events::int from event_counters_recent`;
  expect([...recent]).toEqual([{ outcome: "dead", events: 1 }]);
  expect(await readSums(t)).toEqual(new Map([["dead", [0, 0]]]));
});

test("a copy of an older version that settles an event anew finds the rows from which it takes it out", async () => {
  const t = await openForTest(openTestApp());
  await t.deliver({ type: "x.y", data: {} }, { svixId: "msg_1" });
  // As the older functions have it.
  await t.sql`
    update event_counters k set events = k.events - 1
    from webhook_events e cross join lateral (values (date_trunc('hour', e.settled_at, 'UTC')), ('-infinity')) as h(hour)
    where k.hour = h.hour and k.outcome = e.outcome and k.lag_bucket = -1`;
  expect((await findEventFigures(t.database)).events.ignored).toBe(0);
});

test("a role that served with the grants of an older version serves on after the migration", async () => {
  const db = await openForTest(openTestDatabase());
  const older = `drop table event_counters_recent; drop schema ${functionsSchema} cascade;
    delete from drizzle.clerk_neon_sync_migrations where id = 6;
    grant usage on schema public to ROLE;
    grant select, insert, update on users, mentorados, event_counters, sync_runs to ROLE;
    grant select, insert, update, delete on webhook_events, sync_run_pages to ROLE;
    grant select, insert on mentorado_links to ROLE; grant usage on all sequences in schema public to ROLE`;
  const role = await openForTest(openLimitedRole(db, older));
  await migrateDatabase({ migrationDsn: parseDsn(db.url) });
  const t = await openForTest(openTestApp({ databaseUrl: () => role.url }));
  expect((await t.deliver({ type: "x.y", data: {} })).said).toBe("ignored");
  expect(await t.database.run(findMissingGrants)).toEqual([]);
});
