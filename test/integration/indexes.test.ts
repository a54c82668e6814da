import { beforeAll, expect, test } from "bun:test";
import type { Services } from "../../src/service/services.ts";
import { findLedgerInstanceId } from "../../src/store/events/findLedgerInstanceId.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

const t = openForFile(() => openTestApp());
const stored = 20_000;

/** Enough rows that reading all of them is never the better plan. */
beforeAll(async () => {
  await t.sql`
    insert into users (clerk_id, name, email, email_verified, raw_json, last_signed_in)
    select 'user_' || n, 'Name', n || '@example.com', true, jsonb_build_object('pad', repeat(md5(n::text), 20)), now()
    from generate_series(1, ${stored}::int) n`;
  await t.sql`
    insert into mentorados (user_id, nome_completo, email, turma)
    select id, name, email, 'neon_estrutura' from users where id % 1000 <> 0`;
  await t.sql`
    insert into mentorados (nome_completo, email, turma)
    select name, email, 'neon_estrutura' from users, generate_series(1, 2) where id % 1000 = 0`;
  await t.sql`
    insert into webhook_events (svix_id, type, clerk_id, received_at, settled_at, outcome)
    select 'msg_' || n, 'user.updated', 'user_' || n, now() - make_interval(secs => n), now(),
           case when n % 5000 = 0 then 'stale' else 'applied' end
    from generate_series(1, ${stored}::int) n`;
  await t.sql`vacuum (analyze) users`;
  await t.sql`vacuum (analyze) mentorados`;
  await t.sql`vacuum (analyze) webhook_events`;
  // What filling them read is counted now, and not in the middle of a test.
  await t.sql`select pg_stat_force_next_flush()`;
}, 30_000);

/** Of tables and indexes, how often they were read; counted some time after it happened. */
async function scans(): Promise<Map<string, number>> {
  const rows = await t.sql<{ name: string; scans: number }[]>`
    select relname as name, seq_scan::int as scans from pg_stat_user_tables
    union all select indexrelname, idx_scan::int from pg_stat_user_indexes`;
  return new Map(rows.map(({ name, scans: count }) => [name, count]));
}

const aStale = { receivedAt: new Date(0).toISOString(), svixId: "" };

test.each<[string, string, string, (to: Services) => Promise<unknown>]>([
  ["the status", "users", "users_standing_index", (to) => to.status.getStatus()],
  ["conflicts", "users", "users_standing_index", (to) => to.links.listConflicts({ afterUserId: 0, limit: 50 })],
  ["a user", "users", "users_clerk_id_unique", (to) => to.users.getUser("user_7")],
  ["events", "webhook_events", "webhook_events_arrival_index", (to) => to.events.list({ limit: 50 })],
  [
    "events by outcome",
    "webhook_events",
    "webhook_events_no_effect_index",
    (to) => to.events.list({ outcome: "stale", limit: 50 }),
  ],
  [
    "events of an outcome that never came",
    "webhook_events",
    "webhook_events_no_effect_index",
    (to) => to.events.list({ outcome: "ignored", limit: 50 }),
  ],
  [
    "events of a user",
    "webhook_events",
    "webhook_events_user_index",
    (to) => to.events.list({ clerkId: "user_7", limit: 50 }),
  ],
  [
    "the last page of events",
    "webhook_events",
    "webhook_events_arrival_index",
    (to) => to.events.list({ after: aStale, limit: 50 }),
  ],
  [
    "the instance that the newest events name",
    "webhook_events",
    "webhook_events_arrival_index",
    () => findLedgerInstanceId(t.database),
  ],
])(
  "%s are found without reading %s from end to end, by %s",
  async (_, table, index, ask) => {
    const before = await scans();
    await ask(t.services);
    const deadlineAtMs = Date.now() + 10_000;
    let after = before;
    while (after.get(index) === before.get(index) && Date.now() < deadlineAtMs) {
      await Bun.sleep(100);
      // What a connection read is counted when it is next used.
      await ask(t.services);
      after = await scans();
    }
    expect(after.get(index)).toBeGreaterThan(before.get(index) ?? 0);
    expect(after.get(table)).toBe(before.get(table));
  },
  20_000,
);
