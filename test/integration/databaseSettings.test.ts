import { expect, setDefaultTimeout, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { createRetention } from "../../src/service/retention.ts";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { createPagedClerk } from "../support/pagedClerk.ts";
import { openPgBouncer } from "../support/pgBouncer.ts";
import { openTestApp, testAdminToken, type TestApp } from "../support/testApp.ts";
import { majorVariable } from "../support/postgresMajor.ts";
import { testServerUrl } from "../support/testDatabase.ts";
import { openForFile, openForTest } from "../support/toClose.ts";
import { connectTo } from "../support/trpcClient.ts";

// Real servers on a machine that may be busy.
setDefaultTimeout(60_000);

const pooler = openForFile(async () => openPgBouncer({ serverUrl: await testServerUrl() }));

/** By name, what is never the same twice. */
const ids = /^(?:runId|lagMs|p50Ms|p95Ms|requestId|nextCursor)$/;

/** In the text of an alarm. */
const ages = /(, the oldest for )[\d.]+ m?s/;

/** What was answered, without what differs between two tellings: moments of this test, ids of runs, lags. */
function toComparable(value: unknown, key = ""): unknown {
  if (ids.test(key) && value !== null) return key;
  if (Array.isArray(value)) return value.map((inner) => toComparable(inner));
  if (typeof value === "string")
    return Math.abs(Date.now() - Date.parse(value)) < 600_000 ? "recent" : value.replace(ages, "$1");
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, toComparable(inner, name)]));
}

/** A history over HTTP and tRPC, and everything that was answered. */
async function tellHistory(t: TestApp, url: string): Promise<unknown> {
  await migrateDatabase({ migrationDsn: parseDsn(url) });
  await t.sql`insert into public.mentorados (nome_completo, email, turma) values ('Inês', 'INES@EXAMPLE.COM', 'neon_escala')`;
  const client = connectTo(t, testAdminToken);
  const dotted = (name: string) => ({
    first_name: name,
    created_at: startMs - 40 * 86_400_000,
    last_sign_in_at: startMs,
  });
  const answers: unknown[] = [];
  for (const [nth, event] of [
    userEvent(clerkUser("user_Ana", dotted("Ána"))),
    userEvent(clerkUser("user_Ana", { ...dotted("Ana"), updated_at: startMs + 5_000 })),
    userEvent(clerkUser("user_Ana")),
    userEvent(clerkUser("user_Bia", { email: "ana@example.com" })),
    userEvent(clerkUser("user_Ines", { email: "ines@example.com" })),
    userEvent(clerkUser("user_Caio")),
    deletedEvent("user_Caio"),
    { type: "user.updated" },
  ].entries()) {
    const svixId = `msg_${nth}`;
    answers.push((await t.deliver(event, { svixId })).said, (await t.deliver(event, { svixId })).said);
  }
  for (const [kind, dryRun] of [
    ["reconcile", true],
    ["backfill", false],
    ["reconcile", false],
  ] as const) {
    const { runId } = await client.runs.start.mutate({ kind, dryRun });
    await t.services.runs.waitFor(runId);
    answers.push(await client.runs.get.query({ runId }));
  }
  const { mentorado } = await client.sync.user.query({ clerkId: "user_P00001" });
  await client.links.unlink.mutate({ mentoradoId: mentorado?.id ?? 0 });
  answers.push(
    await client.links.conflicts.query(),
    await client.sync.resync.mutate({ clerkId: "user_P00000", dryRun: true }),
    await client.sync.resync.mutate({ clerkId: "user_P00000" }),
    await client.events.list.query(),
    await client.events.list.query({ clerkId: "user_Ana", limit: 1 }),
    await client.events.get.query({ svixId: "msg_1" }),
    await client.runs.list.query(),
    await client.sync.user.query({ clerkId: "user_Ana" }),
    await client.sync.user.query({ clerkId: "user_Caio" }),
    await createRetention({ database: t.database, keepMs: 0, log: silentLog }).sweep(),
    await client.sync.status.query(),
    await (await t.app.request("/readyz")).json(),
    await t.sql`select u.*, m.* from public.users u left join public.mentorados m on m.user_id = u.id order by u.id`,
  );
  return toComparable(answers);
}

/** @param settings of the database, with `{name}` for its name */
async function openHistory(
  settings: string,
  toUrl: (url: string) => string,
  options: { icuLocale?: string } = {},
): Promise<unknown> {
  const clerk = createPagedClerk(3);
  for (const id of ["user_Ana", "user_Bia", "user_Ines"])
    clerk.users.set(id, clerkUser(id, { updated_at: startMs + 9_000 }));
  let opened = "";
  const t = await openForTest(
    openTestApp({ ...options, clerk: clerk.api, databaseUrl: (url) => (opened = toUrl(url)) }),
  );
  await t.sql.unsafe(settings.replaceAll("{name}", t.db.name));
  return tellHistory(t, opened);
}

const settings = {
  "a search_path without public and with other tables of our names": `
    create schema app; create table app.users (id int); create table app.webhook_events (id int);
    create table app.sync_runs (id int); create table app.mentorados (id int);
    alter database {name} set search_path = app`,
  "defaults for isolation, dates, time zone and timeouts that the sync would not choose": `
    alter database {name} set default_transaction_isolation = serializable;
    alter database {name} set datestyle = 'SQL, DMY';
    alter database {name} set intervalstyle = 'iso_8601';
    alter database {name} set timezone = 'America/Sao_Paulo';
    alter database {name} set bytea_output = 'escape';
    alter database {name} set extra_float_digits = -5;
    alter role current_user in database {name} set statement_timeout = '200ms';
    alter role current_user in database {name} set lock_timeout = '100ms'`,
};

for (const [what, text] of Object.entries(settings)) {
  test(`${what} change no answer, direct or through a pooler`, async () => {
    const expected = await openHistory("select", (url) => url);
    expect(await openHistory(text, (url) => url)).toEqual(expected);
    expect(await openHistory(text, (url) => pooler.urlFor(url))).toEqual(expected);
  });
}

// Postgres 14 has no ICU locale for a database. In Turkish lower('I') is the dotless ı.
test.skipIf(process.env[majorVariable] === "14")("a database with a Turkish ICU locale changes no answer", async () => {
  const [expected, answers] = await Promise.all(
    ["en-US", "tr-TR"].map((icuLocale) => openHistory("select", (url) => url, { icuLocale })),
  );
  expect(answers).toEqual(expected);
});
