import { expect, test } from "bun:test";
import { findPendingMigrations } from "../../src/store/migration/schemaState.ts";
import { useEmptyDatabase } from "../support/emptyDatabase.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { olderTables } from "../support/olderTables.ts";
import { openTestApp } from "../support/testApp.ts";
import { cli } from "../support/cli.ts";
import { openForTest } from "../support/toClose.ts";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";

const db = useEmptyDatabase();
const { migrate, look } = db;

test("an empty database is migrated, and a second migration changes nothing", async () => {
  await migrate();
  const before = await look();
  await migrate();
  expect(await look()).toEqual(before);
  expect(await findPendingMigrations(db.sql)).toEqual([]);
});

test("older tables keep their columns, types, defaults, indexes, views, triggers, labels, data and files", async () => {
  await db.sql.unsafe(olderTables);
  const [before, rows] = [await look(), await db.sql`select * from mentorados order by id`];
  await migrate();
  const after = await look();
  for (const part of ["columns", "relations", "constraints", "labels", "routines", "schemas"] as const) {
    expect([...after[part]]).toEqual(expect.arrayContaining([...before[part]]));
  }
  expect([...(await db.sql`select * from mentorados order by id`)]).toEqual([...rows]);
  expect(await db.sql`select from audit`).toHaveLength(3);
});

test("half of each page of users is kept for new versions, unless the table has a fillfactor already", async () => {
  const options = async () => (await db.sql`select reloptions from pg_class where relname = 'users'`)[0]?.reloptions;
  await migrate();
  expect(await options()).toEqual(["fillfactor=50"]);
  await db.sql.unsafe("drop schema public cascade; drop schema drizzle cascade; create schema public");
  await db.sql.unsafe(olderTables);
  await db.sql.unsafe("alter table users set (fillfactor = 90)");
  await migrate();
  expect(await options()).toEqual(["fillfactor=90"]);
});

test("text columns of a few characters are no obstacle", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql.unsafe(`drop view mentorados_ativos; alter table users alter column name type varchar(3);
    alter table users alter column email type varchar(16); alter table users alter column image_url type varchar(3);
    alter table users alter column login_method type varchar(3);
    alter table mentorados alter column nome_completo type varchar(7); alter table mentorados alter column foto_url type char(3)`);
  await migrate();
  expect(await findPendingMigrations(db.sql)).toEqual([]);
});

test("the sync works on older tables: rows are written, links made, and a duplicate address is a conflict", async () => {
  const t = await openForTest(openTestApp());
  await t.sql.unsafe("drop schema public cascade; drop schema drizzle cascade; create schema public");
  await t.sql.unsafe(olderTables);
  await migrate(t.db.url);
  expect((await t.deliver(userEvent(clerkUser("user_Old1", { email: "ana@example.com" })))).said).toBe("applied");
  expect((await t.deliver(userEvent(clerkUser("user_Old2", { email: "bia@example.com" })))).said).toBe("applied");
  const legacy = { public_metadata: { turma: "neon_legado" } };
  expect((await t.deliver(userEvent(clerkUser("user_New", legacy)))).said).toBe("applied");
  expect((await t.services.users.getUser("user_Old2")).link).toBe("conflict");
  const [made] = await t.sql`select * from mentorados where email = 'new@example.com'`;
  expect(made).toMatchObject({ turma: "neon_legado", meta_faturamento: 16000, meta_stories: 60, ativo: "sim" });
  expect(await t.sql`select from mentorados where user_id = 1`).toHaveLength(1);
});

test("several migrations at once wait for each other and all succeed", async () => {
  await db.sql.unsafe(olderTables);
  await Promise.all([migrate(), migrate(), migrate(), migrate()]);
  expect(await findPendingMigrations(db.sql)).toEqual([]);
});

test("missing functions count as pending and are installed", async () => {
  await migrate();
  const before = await look();
  await db.sql`drop schema ${db.sql(functionsSchema)} cascade`;
  expect(await findPendingMigrations(db.sql)).toEqual(["functions"]);
  await migrate();
  expect(await look()).toEqual(before);
});

test("migrate keeps the functions of the newest other version; an older copy drops none", async () => {
  const leave = async (name: string, version: string, installedAt: string) => {
    const comment = JSON.stringify({ program: "clerk-neon-sync", version, installedAt });
    await db.sql.unsafe(`create schema ${name}; comment on schema ${name} is '${comment}'`);
  };
  const list = async () =>
    (
      await db.sql<
        { name: string }[]
      >`select nspname as name from pg_namespace where nspname ~ '^clerk_sync' order by 1`
    ).map((row) => row.name);
  await leave("clerk_sync_000000000001", "0.1.8", "2026-01-01T00:00:00.000Z");
  await leave("clerk_sync_000000000002", "0.1.10", "2026-01-02T00:00:00.000Z");
  await leave("clerk_sync_000000000003", "0.1.9", "2026-01-03T00:00:00.000Z");
  await db.sql`create schema clerk_sync_of_a_team`;
  await migrate();
  const kept = ["clerk_sync_000000000002", "clerk_sync_of_a_team", functionsSchema].sort();
  expect(await list()).toEqual(kept);

  await db.sql`drop schema ${db.sql(functionsSchema)} cascade`;
  await leave("clerk_sync_000000000004", "999.0.0", "2026-01-01T00:00:00.000Z");
  await migrate();
  expect(await list()).toEqual([...kept, "clerk_sync_000000000004"].sort());
});

test("a migration killed half-way leaves the database as it was, and the next one succeeds", async () => {
  await db.sql.unsafe(olderTables);
  const before = await look();
  // The table that the migration comes to late, held so that it has to wait in the middle of its work.
  const release = Promise.withResolvers<void>();
  const held = db.sql.begin(async (tx) => {
    await tx`lock table mentorados in access share mode`;
    await release.promise;
  });
  const child = Bun.spawn([...cli, "migrate"], {
    env: { PATH: process.env["PATH"] ?? "", DATABASE_URL: db.url },
    stderr: "ignore",
  });
  const waiters = () =>
    db.sql`select pid from pg_stat_activity where datname = ${db.name} and wait_event_type = 'Lock'`;
  while ((await waiters()).length === 0) await Bun.sleep(20);
  child.kill("SIGKILL");
  await child.exited;
  release.resolve();
  await held;
  while (
    (await db.sql`select from pg_stat_activity where datname = ${db.name} and application_name = 'clerk-neon-sync'`)
      .length > 0
  )
    await Bun.sleep(20);
  expect(await look()).toEqual(before);
  await migrate();
  expect(await findPendingMigrations(db.sql)).toEqual([]);
});

test("a role with a search_path, an isolation level, a DateStyle and timeouts of its own changes nothing", async () => {
  await db.sql.unsafe(`create schema app; alter database ${db.name} set search_path = app;
    alter database ${db.name} set default_transaction_isolation = serializable;
    alter database ${db.name} set DateStyle = 'German'; alter database ${db.name} set timezone = 'America/Sao_Paulo';
    alter database ${db.name} set plpgsql.extra_errors = 'all';
    alter database ${db.name} set lock_timeout = 1; alter database ${db.name} set statement_timeout = 20`);
  await migrate();
  expect(await db.sql`select from pg_class where relnamespace = 'app'::regnamespace`).toHaveLength(0);
  expect((await db.sql`select to_regclass('public.users')::text as name`)[0]?.["name"]).toContain("users");
});

test("lags that were counted before their sums were kept count as their buckets say", async () => {
  await migrate();
  await db.sql`alter table event_counters drop column lag_ms_sum`;
  await db.sql`delete from drizzle.clerk_neon_sync_migrations where id >= 4`;
  await db.sql`insert into event_counters (hour, outcome, lag_bucket, events)
               values (now(), 'applied', 50, 3), ('-infinity', 'applied', -1, 3)`;
  await migrate();
  const sums = await db.sql<{ sum: number }[]>`select lag_ms_sum as sum from event_counters order by lag_bucket`;
  expect(sums.map(({ sum }) => Math.round(sum))).toEqual([0, Math.round(3 * 1.1 ** 50)]);
});

test("another program's drizzle ledger in the same database is neither read nor written", async () => {
  await db.sql
    .unsafe(`create schema drizzle; create table drizzle.__drizzle_migrations (id serial, hash text, created_at bigint);
    insert into drizzle.__drizzle_migrations (hash, created_at) values ('theirs', 99999999999999)`);
  expect(await findPendingMigrations(db.sql)).not.toEqual([]);
  await migrate();
  expect(await findPendingMigrations(db.sql)).toEqual([]);
  expect(await db.sql`select from drizzle.__drizzle_migrations`).toHaveLength(1);
});
