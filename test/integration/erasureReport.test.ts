import { getTableColumns, getTableName, is } from "drizzle-orm";
import { PgTable } from "drizzle-orm/pg-core";
import { expect, test } from "bun:test";
import * as schema from "../../src/store/schema.ts";
import { knownColumns, type ErasureReport } from "../../src/store/users/erasureReport.ts";
import { startCli } from "../support/cli.ts";
import { clerkUser, deletedEvent, userEvent } from "../support/events.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile, toClose } from "../support/toClose.ts";

const t = openForFile(() => openTestApp());

/** `table.column holds` of what was found, with the rows. */
function foundIn({ findings }: ErasureReport): Record<string, number> {
  const found = findings.filter(({ rows }) => rows > 0);
  return Object.fromEntries(found.map(({ table, column, holds, rows }) => [`${table}.${column} ${holds}`, rows]));
}

test("of an active user every personal column is found, and payloads of other events that name the id", async () => {
  const id = "user_Active";
  const image = { image_url: "https://img.clerk.com/a.png" };
  await t.deliver(userEvent(clerkUser(id, image)));
  await t.deliver({ type: "session.created", data: { id: "sess_1", user_id: id } });
  await t.sql`insert into webhook_events (svix_id, received_at, settled_at, outcome, clerk_id, payload) values
    ('msg_other', now(), now(), 'ignored', 'user_Other', ${`{"member":"${id}"}`}),
    ('msg_longer', now(), now(), 'ignored', 'user_Other', ${`{"member":"${id}2"}`})`;
  await t.sql`insert into sync_runs (id, kind, status, started_by, error)
    values (gen_random_uuid(), 'backfill', 'failed', 'person', ${`1 user could not be stored: ${id}`})`;
  const report = await t.services.users.getErasureReport(id);
  expect(report).toMatchObject({
    clerkId: id,
    state: "synced",
    erased: false,
    releasedMentoradoIds: [],
    unsearched: [],
  });
  expect(foundIn(report)).toMatchObject({
    "users.name personal": 1,
    "users.email personal": 1,
    "users.image_url personal": 1,
    "users.raw_json personal": 1,
    "users.clerk_id identifier": 1,
    "mentorados.nome_completo personal": 1,
    "mentorados.email personal": 1,
    "webhook_events.payload personal": 2,
    "webhook_events.payload (of other events) personal": 1,
    "webhook_events.clerk_id identifier": 2,
    "mentorado_links.clerk_id identifier": 1,
    "sync_runs.error identifier": 1,
  });
});

test("of a deleted user nothing personal is found: the id stays, and the released mentorado is named", async () => {
  const id = "user_Erased";
  await t.deliver(userEvent(clerkUser(id)));
  const [mentorado] = await t.sql`
    select m.id from mentorados m join users u on u.id = m.user_id where u.clerk_id = ${id}`;
  await t.deliver(deletedEvent(id));
  const report = await t.services.users.getErasureReport(id);
  expect(report).toMatchObject({ state: "deleted", erased: true, releasedMentoradoIds: [mentorado?.["id"]] });
  expect(foundIn(report)).toEqual({
    "users.clerk_id identifier": 1,
    "mentorados.nome_completo released": 1,
    "mentorados.email released": 1,
    "mentorados.foto_url released": 1,
    "webhook_events.clerk_id identifier": 2,
    "mentorado_links.clerk_id identifier": 2,
  });
});

test("the command exits 1 while anything personal is left and 0 after, also for an unknown id; it changes nothing", async () => {
  const [left, gone] = ["user_CliLeft", "user_CliGone"];
  await t.deliver(userEvent(clerkUser(left)));
  await t.deliver(userEvent(clerkUser(gone)));
  await t.deliver(deletedEvent(gone));
  await t.sql`alter table mentorados add column cpf text`;
  const rows = async () =>
    t.sql`select to_jsonb(u) as row from users u union all select to_jsonb(e) from webhook_events e`;
  const before = await rows();
  const run = (...args: string[]) => startCli(["erasure-report", ...args], { DATABASE_URL: t.db.url }).ended;
  toClose.push(() => t.sql`alter table mentorados drop column cpf`);
  const [active, deleted, unknown, malformed] = await Promise.all([
    run(left),
    run(gone),
    run("user_NeverHeardOf", "--json"),
    run("user_", "--json"),
  ]);
  expect(active.code).toBe(1);
  expect(active.stdout).toMatch(/^users\.email +personal +1 row$/m);
  expect(active.stdout).toContain("Delete the user in Clerk");
  expect(deleted.code).toBe(0);
  expect(deleted.stdout).toMatch(/^users\.email +personal +erased, or never there$/m);
  expect(deleted.stdout).toContain("Nothing personal is left.");
  expect(deleted.stdout).toMatch(/^released: .*mentorados\.id \d+\.$/m);
  expect(deleted.stdout).toContain("mentorados.cpf");
  const missing = JSON.parse(unknown.stdout) as ErasureReport;
  expect([unknown.code, missing.state, missing.erased, foundIn(missing)]).toEqual([0, "missing", true, {}]);
  expect([malformed.code, JSON.parse(malformed.stdout)]).toMatchObject([1, { error: { code: "bad_request" } }]);
  expect(await rows()).toEqual(before);
});

test("every table of the schema, and every column of users and mentorados, is searched or known to hold nothing personal", async () => {
  const { findings } = await t.services.users.getErasureReport("user_Any");
  // Figures, and the row numbers of a run under way.
  const impersonal = ["event_counters", "event_counters_recent", "sync_run_pages"];
  const tables = Object.values(schema).flatMap((one: unknown) => (is(one, PgTable) ? [getTableName(one)] : []));
  expect(new Set([...findings.map(({ table }) => table), ...impersonal])).toEqual(new Set(tables));

  for (const [name, table] of Object.entries({ users: schema.users, mentorados: schema.mentorados })) {
    const columns = Object.values(getTableColumns(table)).map((column) => column.name);
    expect(new Set(knownColumns[name as keyof typeof knownColumns])).toEqual(new Set(columns));
  }
});
