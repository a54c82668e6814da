import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { silentLog } from "../../src/log.ts";
import { findPendingMigrations, migrateDatabase } from "../../src/store/migrate.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { olderTables } from "../support/olderTables.ts";
import { openTestApp } from "../support/testApp.ts";
import { openTestDatabase, type TestDatabase } from "../support/testDatabase.ts";

// Real servers on a machine that may be busy.
setDefaultTimeout(30_000);

let db: TestDatabase;
beforeEach(async () => {
  db = await openTestDatabase({ migrated: false });
});
afterEach(() => db.close());

const migrate = (url = db.url) => migrateDatabase({ url, log: silentLog });
/** What the operator is told. */
const refusalOf = (url = db.url) =>
  migrate(url).then(
    () => "migrated",
    (error: Error) => error.message,
  );

/** Everything the catalogue knows of the tables, to see what a migration did to it. */
async function look() {
  const columns = await db.sql`
    select attrelid::regclass::text || '.' || attname as name, format_type(atttypid, atttypmod) as type, attnotnull,
           attstorage, pg_get_expr(d.adbin, d.adrelid) as preset
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v'))
      and attnum > 0 order by attrelid, attnum`;
  const relations = await db.sql`
    select oid, relname, relkind, relfilenode, relowner from pg_class
    where relnamespace = 'public'::regnamespace order by oid`;
  const constraints = await db.sql`
    select conname, pg_get_constraintdef(oid) as definition from pg_constraint
    where connamespace = 'public'::regnamespace and contype <> 'n' order by oid`;
  const labels = await db.sql`select enumtypid, enumlabel from pg_enum order by enumtypid, enumsortorder`;
  const routines = await db.sql`
    select proname, md5(prosrc) as text from pg_proc where pronamespace = 'public'::regnamespace order by proname`;
  const schemas = await db.sql`select nspname from pg_namespace where nspname !~ '^pg_' order by 1`;
  return { columns, relations, constraints, labels, routines, schemas };
}

test("an empty database is migrated, and a second time nothing happens", async () => {
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

test("over older tables the sync works: rows are written, links made, and a duplicate address is a conflict", async () => {
  const t = await openTestApp();
  try {
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
  } finally {
    await t.close();
  }
});

test("two profiles of one user: refused, nothing changed, table, column and rows named", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql`update mentorados set user_id = 2 where id in (2, 3)`;
  const before = await look();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../../src/cli/main.ts"), "migrate"], {
    env: { PATH: process.env["PATH"] ?? "", DATABASE_URL: db.url },
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  expect(await child.exited).toBe(1);
  expect(said).toContain("mentorados.user_id = 2 stands in 2 rows (id 2, 3)");
  expect(await look()).toEqual(before);
});

test("rows that point to no user are refused by id, and a foreign key that is there is left alone", async () => {
  await db.sql.unsafe(olderTables);
  const [{ name } = { name: "" }] = await db.sql<{ name: string }[]>`
    select conname as name from pg_constraint where conrelid = 'mentorados'::regclass and contype = 'f'`;
  await db.sql`alter table mentorados drop constraint ${db.sql(name)}`;
  await db.sql`update mentorados set user_id = 99 where id = 3`;
  const before = await look();
  expect(await refusalOf()).toContain("mentorados.user_id of row id=3 is 99");
  expect(await look()).toEqual(before);
  await db.sql`update mentorados set user_id = null where id = 3`;
  await db.sql`alter table mentorados add constraint own_fk foreign key (user_id) references users on delete cascade`;
  await migrate();
  const keys =
    await db.sql`select conname from pg_constraint where conrelid = 'mentorados'::regclass and contype = 'f'`;
  expect(keys.map((key) => key["conname"])).toEqual(["own_fk"]);
});

test("what Postgres refuses, a table of another role, is told in its words and changes nothing", async () => {
  await db.sql.unsafe(olderTables);
  const role = `limited_${db.name}`;
  await db.sql.unsafe(`create role ${role} login password 'pw'; grant create on schema public to ${role};
    grant create on database ${db.name} to ${role}; grant select on all tables in schema public to ${role}`);
  const url = new URL(db.url);
  Object.assign(url, { username: role, password: "pw" });
  const before = await look();
  try {
    expect(await refusalOf(url.href)).toMatch(/nothing was changed.*must be owner of table users \(42501\)/);
    expect(await look()).toEqual(before);
  } finally {
    await db.sql.unsafe(`drop owned by ${role}; drop role ${role}`);
  }
});

test("several migrations at once wait for each other and all succeed", async () => {
  await db.sql.unsafe(olderTables);
  await Promise.all([migrate(), migrate(), migrate(), migrate()]);
  expect(await findPendingMigrations(db.sql)).toEqual([]);
});

test("a function of an older version is pending, and replaced", async () => {
  await migrate();
  const before = await look();
  await db.sql`comment on function apply_user_changes is 'sha256:older'`;
  await db.sql`create or replace function user_state(of_clerk_id text) returns jsonb language sql as $$ select '{}'::jsonb $$`;
  await db.sql`comment on function user_state is null`;
  expect(await findPendingMigrations(db.sql)).toEqual(["apply_user_changes", "user_state"]);
  await migrate();
  expect(await look()).toEqual(before);
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
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "../../src/cli/main.ts"), "migrate"], {
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
    alter database ${db.name} set lock_timeout = 1; alter database ${db.name} set statement_timeout = 20`);
  await migrate();
  expect(await db.sql`select from pg_class where relnamespace = 'app'::regnamespace`).toHaveLength(0);
  expect((await db.sql`select to_regclass('public.users')::text as name`)[0]?.["name"]).toContain("users");
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
