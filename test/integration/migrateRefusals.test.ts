import { expect, test } from "bun:test";
import { useEmptyDatabase } from "../support/emptyDatabase.ts";
import { olderTables } from "../support/olderTables.ts";
import { cli } from "../support/cli.ts";

const db = useEmptyDatabase();
const { migrate, refusalOf, look } = db;

test("two mentorados of one user: refused, nothing changed, table, column and rows named", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql`update mentorados set user_id = 2 where id in (2, 3)`;
  const before = await look();
  const child = Bun.spawn([...cli, "migrate"], {
    env: { PATH: process.env["PATH"] ?? "", DATABASE_URL: db.url },
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  expect(await child.exited).toBe(1);
  expect(said).toContain("mentorados.user_id = 2 occurs in 2 rows (id 2, 3)");
  expect(await look()).toEqual(before);
});

test("columns that demand what the sync does not have are refused by name, and nothing changed", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql`alter table users add column tenant integer not null default 1, alter column email set not null`;
  await db.sql`alter table users alter column tenant drop default`;
  await db.sql`alter table mentorados add column plan text not null default 'x'`;
  const before = await look();
  const said = await refusalOf();
  expect(said).toContain("users.email is not null");
  expect(said).toContain("users.tenant is not null and has no default");
  expect(said).not.toContain("mentorados");
  expect(await look()).toEqual(before);
});

test("columns of a type that the sync cannot write are refused by name, and nothing changed", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql.unsafe(`create type user_role as enum ('user', 'admin');
    alter table users alter column role drop default, alter column role type user_role using role::text::user_role,
      alter column last_signed_in drop default, alter column last_signed_in type date;
    alter table users add column raw_json json, add column deleted_at bigint, add column balance money default 0`);
  const before = await look();
  const said = await refusalOf();
  expect(said).toContain("users.role is of type user_role, which the sync cannot write: it needs role.");
  expect(said).toContain("users.last_signed_in is of type date");
  expect(said).toContain("users.raw_json is of type json,");
  expect(said).toContain("users.deleted_at is of type int8");
  expect(said).not.toMatch(/balance|mentorados/);
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

test("a database of another encoding than UTF8 is refused, and the encoding is named", async () => {
  const name = `${db.name}_latin1`;
  await db.sql.unsafe(`create database ${name} template template0 encoding 'LATIN1' locale 'C'`);
  try {
    expect(await refusalOf(db.url.replace(db.name, name))).toContain("The encoding of the database is LATIN1");
  } finally {
    await db.sql.unsafe(`drop database ${name} with (force)`);
  }
});

test("a refusal by Postgres (a table of another role) is reported with its message and changes nothing", async () => {
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
