import { expect, test } from "bun:test";
import { findPendingMigrations } from "../../src/store/migration/schemaState.ts";
import { useEmptyDatabase } from "../support/emptyDatabase.ts";
import { olderTables } from "../support/olderTables.ts";

const db = useEmptyDatabase();
const { migrate, refusalOf, look } = db;

const insensitive = `create collation insensitive (provider = icu, locale = 'und-u-ks-level1', deterministic = false)`;

/** Refused before anything is made. */
test.each<[string, string, RegExp]>([
  [
    "a webhook_events of the team's",
    "create table webhook_events (id serial primary key, type text, payload jsonb)",
    /name webhook_events is taken by a table that is not this program's: it has no column svix_id, clerk_id/,
  ],
  [
    "an event_counters that is a view",
    "create view event_counters as select 1 as hour",
    /event_counters is taken by a view/,
  ],
  ["a type sync_runs", "create type sync_runs as enum ('a')", /sync_runs is taken by a type/],
  ["a table role", "create table role (id serial)", /name role is taken by a table, but the sync needs an enum/],
  ["a table turma", "create table turma (id serial)", /name turma is taken by a table, but the sync needs an enum/],
  ["a domain ativo", "create domain ativo as text", /name ativo is taken by a type, but the sync needs an enum/],
  ["an enum role without admin", "create type role as enum ('user', 'boss')", /Type role has no label admin/],
  ["an enum ativo without nao", "create type ativo as enum ('sim')", /Type ativo has no label nao/],
  ["an enum turma without labels", "create type turma as enum ()", /Type turma has no label/],
  [
    "a clerk_email_key of the team's",
    "create function clerk_email_key(text) returns text language sql immutable return $1",
    /clerk_email_key\(text\) is taken by a function/,
  ],
  [
    "a clerk_email_key for varchar",
    "create function clerk_email_key(varchar) returns text language sql immutable return $1",
    /clerk_email_key\(character varying\) is taken by a function/,
  ],
  [
    "an index of another table",
    "create table other (a int); create index mentorados_user_id_unique on other (a)",
    /mentorados_user_id_unique is taken by an index that is not this program's/,
  ],
  [
    "an index of the same table on other columns",
    `${olderTables}; create index users_email_key_index on users (email)`,
    /users_email_key_index is taken by an index/,
  ],
  [
    "a table with the name of an index",
    "create table users_standing_index ()",
    /users_standing_index is taken by a table/,
  ],
  [
    "a webhook_events with this program's columns in other types",
    `create table webhook_events (svix_id uuid primary key, type text, clerk_id integer, instance_id text,
       occurred_at timestamptz, received_at timestamptz, settled_at timestamptz, outcome text, error_code text,
       attempts integer, payload jsonb)`,
    /webhook_events is taken by a table.*: column svix_id is uuid, not text, column clerk_id is integer, not character varying\(64\), column payload is jsonb, not text\. Rename it/,
  ],
  [
    "a sync_run_pages without a key",
    "create table sync_run_pages (run_id uuid, step integer, user_ids integer[])",
    /sync_run_pages is taken by a table that is not this program's: it has no primary key/,
  ],
  [
    "an index with the name of a constraint",
    `${olderTables}; alter table users drop constraint users_clerk_id_key;
     create index users_clerk_id_unique on users (clerk_id)`,
    /needs a name that is taken.*"users_clerk_id_unique".*Rename that object/,
  ],
  [
    "a check with the name of a foreign key",
    `${olderTables}; alter table mentorados drop constraint mentorados_user_id_fkey;
     alter table mentorados add constraint mentorados_user_id_users_id_fk check (id > 0)`,
    /needs a name that is taken.*"mentorados_user_id_users_id_fk" for relation "mentorados".*Rename that object/,
  ],
  ["users that is a view", "create view users as select 1 as id", /public.users is a view, but/],
  [
    "mentorados that is partitioned",
    "create table mentorados (id int) partition by range (id)",
    /public.mentorados is a partitioned table, but/,
  ],
])("a name taken by %s is refused by name, and nothing is made", async (_, sql, named) => {
  await db.sql.unsafe(sql);
  const before = await look();
  expect(await refusalOf()).toMatch(named);
  expect(await look()).toEqual(before);
});

const columns: [string, string, RegExp][] = [
  [
    "a mentorado's user_id that is text",
    "drop view mentorados_ativos; alter table mentorados drop constraint mentorados_user_id_fkey; alter table mentorados alter user_id type text",
    /mentorados.user_id is of type text, which the sync cannot write: it needs int4 or int8/,
  ],
  [
    "a mentorado's user_id that is a uuid",
    "alter table mentorados drop column user_id cascade, add column user_id uuid",
    /mentorados.user_id is of type uuid/,
  ],
  [
    "a clerk_version that is a number",
    "alter table users add column clerk_version bigint",
    /users.clerk_version is of type int8, which the sync cannot write: it needs text/,
  ],
  [
    "users without a primary key",
    "alter table users drop constraint users_pkey cascade",
    /Column users.id has no primary key, and mentorados.user_id refers to it/,
  ],
  [
    "a generated name",
    "alter table users drop column name, add column name text generated always as (clerk_id) stored",
    /Column users.name is generated by the database/,
  ],
  [
    "a generated login_method",
    "alter table users drop column login_method, add column login_method text generated always as ('x') stored",
    /Column users.login_method is generated/,
  ],
  [
    "a mentorado's user_id that is an identity",
    "alter table mentorados drop column user_id cascade, add column user_id integer generated always as identity",
    /Column mentorados.user_id is generated/,
  ],
  [
    "a login_method that is an enum",
    "create type method as enum ('google'); alter table users alter column login_method type method using null",
    /Column users.login_method is of type method, which the sync cannot write/,
  ],
  ["a name that is jsonb", "alter table users alter column name type jsonb using null", /users.name is of type jsonb/],
  [
    "a list of pictures",
    "alter table mentorados drop column foto_url cascade, add column foto_url text[]",
    /mentorados.foto_url is of type _text/,
  ],
  [
    "a clerk_id too narrow for Clerk's ids",
    "alter table users alter column clerk_id type varchar(32)",
    /users.clerk_id has 32 characters/,
  ],
  [
    "a clerk_id that treats different ids as equal",
    `${insensitive}; alter table users alter column clerk_id type varchar(64) collate insensitive`,
    /users.clerk_id treats different ids as equal/,
  ],
  [
    "ids of users beyond what mentorados can hold",
    `drop view mentorados_ativos; alter table users alter column id type bigint;
     alter sequence users_id_seq as bigint; select setval('users_id_seq', 3000000000)`,
    /mentorados.user_id is integer, but users.id is bigint and has reached 3000000000/,
  ],
];

test.each(columns)("%s is refused by name, and nothing is changed", async (_, sql, named) => {
  await db.sql.unsafe(olderTables);
  await db.sql.unsafe(sql);
  const before = await look();
  expect(await refusalOf()).toMatch(named);
  expect(await look()).toEqual(before);
});

test("addresses may have a collation that takes different ones for equal", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql.unsafe(`${insensitive}; drop view mentorados_ativos;
    alter table users alter column email type varchar(320) collate insensitive;
    alter table mentorados alter column email type varchar(320) collate insensitive`);
  await migrate();
  expect(await db.rehearse()).toEqual({ obstacles: [], warnings: [] });
});

test("a copy restored without its ledger is taken for this program's", async () => {
  await migrate();
  await db.sql`drop schema drizzle cascade`;
  await migrate();
  expect(await findPendingMigrations(db.sql)).toEqual([]);
});

test.each<[string, string]>([
  [
    "mentorados without user_id",
    "create table mentorados (id serial, nome_completo text not null, turma turma not null)",
  ],
  ["no mentorados", ""],
])("users with bigint ids, and %s: user_id is made as wide", async (_, mentorados) => {
  await db.sql.unsafe(`create type turma as enum ('neon');
    create table users (id bigserial primary key, clerk_id varchar(64) not null unique);
    select setval('users_id_seq', 3000000000); ${mentorados}`);
  await migrate();
  const [column] = await db.sql`
    select format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = 'mentorados'::regclass and attname = 'user_id'`;
  expect(column).toEqual({ type: "bigint" });
});
