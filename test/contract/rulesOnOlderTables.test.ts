import { beforeAll, expect, test } from "bun:test";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { openTestApp } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForFile } from "../support/toClose.ts";

const older = openForFile(() => openTestDatabase({ migrated: false }));
const t = openForFile(() => openTestApp({ databaseUrl: () => older.url }));
beforeAll(async () => {
  await older.sql.unsafe(`
    create type role as enum ('guest', 'admin', 'user');
    create type turma as enum ('neon_velha', 'neon_estrutura', 'neon_escala');
    create table users (
      id serial primary key, clerk_id varchar(64) not null unique, name varchar(20), email varchar(320),
      image_url varchar(40), login_method varchar(64), role role not null default 'guest', plan text not null default 'free',
      created_at timestamp not null, updated_at timestamp not null, last_signed_in timestamp not null default now());
    create table mentorados (
      id serial primary key, user_id integer, nome_completo varchar(255) not null, email varchar(320),
      turma turma not null, meta integer not null default 7,
      created_at timestamp not null, updated_at timestamp not null);
    insert into users (clerk_id, name, email, role, created_at, updated_at) values
      ('user_Old', 'Old', 'old@example.com', 'admin', '2020-01-01', '2020-01-01');
    insert into mentorados (user_id, nome_completo, email, turma, created_at, updated_at) values
      (1, 'Old', 'other@example.com', 'neon_velha', '2020-01-01', '2020-01-01')`);
  await migrateDatabase({ migrationDsn: parseDsn(older.url) });
}, 20_000);

async function findUser(clerkId: string) {
  const [row] = await older.sql`
    select *, last_signed_in::text as signed_in, role::text as role from users where clerk_id = ${clerkId}`;
  return row;
}

test("a row from before the migration keeps its mentorado and role, and the first event is applied to it", async () => {
  expect((await t.deliver(userEvent(clerkUser("user_Old")))).said).toBe("applied");
  expect(await findUser("user_Old")).toMatchObject({ id: 1, name: "Ana Souza", role: "admin", plan: "free" });
  expect(await t.services.users.getUser("user_Old")).toMatchObject({
    link: "linked",
    mentorado: { email: "other@example.com" },
  });
  expect(await older.sql`select from mentorados where email = 'old@example.com'`).toBeEmpty();
});

test("a name or picture too long for its older column is cut or left out, and then counts as unchanged", async () => {
  const long = { first_name: "n".repeat(30), image_url: `https://img.example.com/${"i".repeat(40)}` };
  expect((await t.deliver(userEvent(clerkUser("user_Wide", long)))).said).toBe("applied");
  expect(await findUser("user_Wide")).toMatchObject({ name: "n".repeat(20), image_url: null });
  expect((await t.deliver(userEvent(clerkUser("user_Wide", long)))).said).toBe("unchanged");
});

test("columns without a time zone store UTC, whatever zone the database has", async () => {
  await older.sql.unsafe(`alter database ${older.name} set timezone = 'America/Sao_Paulo'`);
  const signedIn = { last_sign_in_at: Date.UTC(2026, 0, 2, 3, 4, 5) };
  await t.deliver(userEvent(clerkUser("user_Zone", signedIn)));
  expect((await findUser("user_Zone"))?.["signed_in"]).toBe("2026-01-02 03:04:05");
  expect((await t.services.users.getUser("user_Zone")).user?.lastSignedIn).toBe("2026-01-02T03:04:05.000Z");
});

test("a deletion erases and releases in older tables too", async () => {
  await t.deliver(userEvent(clerkUser("user_Leaves", { public_metadata: { role: "admin" } })));
  expect((await t.deliver(deletedEvent("user_Leaves", startMs + 5))).said).toBe("applied");
  expect(await findUser("user_Leaves")).toMatchObject({ name: null, email: null, role: "user", plan: "free" });
  const [mentorado] = await older.sql`select user_id, meta from mentorados where email = 'leaves@example.com'`;
  expect(mentorado).toEqual({ user_id: null, meta: 7 });
});
