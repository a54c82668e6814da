// Databases from before, drawn at random: the older tables with some differences, in the order drawn.
import * as fc from "fast-check";

/** One difference. One that cannot be made after those before it is left out. */
export interface Difference {
  readonly sql: string;
  /** Made by the superuser, not by the owner of the tables. */
  readonly isForeign?: boolean;
}

const table = fc.constantFrom("users", "mentorados");
const textColumn = fc.constantFrom(
  "users.clerk_id",
  "users.name",
  "users.email",
  "users.image_url",
  "users.login_method",
  "mentorados.nome_completo",
  "mentorados.email",
  "mentorados.foto_url",
);
const anyColumn = fc.oneof(
  textColumn,
  fc.constantFrom("users.role", "users.created_at", "users.updated_at", "users.last_signed_in"),
  fc.constantFrom("mentorados.user_id", "mentorados.turma", "mentorados.ativo", "mentorados.updated_at"),
);
const split = (name: string) => name.split(".") as [string, string];

const columns = fc.oneof(
  fc.tuple(textColumn, fc.constantFrom(8, 20, 64, 320)).map(([name, chars]) => {
    const [of, column] = split(name);
    return `alter table ${of} alter column ${column} type varchar(${chars}) using left(${column}, ${chars})`;
  }),
  fc
    .tuple(textColumn, fc.constantFrom("text", "char(80)", "jsonb", "text[]", "bytea", "method", "short_text"))
    .map(([name, type]) => {
      const [of, column] = split(name);
      return `alter table ${of} alter column ${column} type ${type} using null`;
    }),
  fc.tuple(anyColumn, fc.boolean()).map(([name, isDropped]) => {
    const [of, column] = split(name);
    return `alter table ${of} ${isDropped ? `drop column ${column} cascade` : `alter column ${column} set not null`}`;
  }),
  fc.tuple(textColumn, fc.constantFrom("'x'", "id::text")).map(([name, value]) => {
    const [of, column] = split(name);
    return `alter table ${of} drop column ${column} cascade, add column ${column} text generated always as (${value}) stored`;
  }),
  fc
    .tuple(
      table,
      fc.constantFrom("integer", "text not null default ''", "integer not null", "date default now()", "serial"),
    )
    .map(([of, type]) => `alter table ${of} add column extra ${type}`),
  fc.constantFrom("bigint", "smallint").map((type) => `alter table users alter column id type ${type}`),
  table.map(
    (of) => `alter table ${of} alter column created_at type timestamptz, alter column updated_at type timestamptz`,
  ),
);

const constraints = fc.oneof(
  fc
    .tuple(
      textColumn,
      fc.constantFrom("COL is not null", "length(COL) < 40", "COL = lower(COL)", "COL <> ''", "COL like '%@%'"),
    )
    .map(([name, check]) => {
      const [of, column] = split(name);
      return `alter table ${of} add check (${check.replaceAll("COL", column)}) not valid`;
    }),
  fc
    .tuple(textColumn, fc.constantFrom("", " nulls not distinct", " deferrable initially deferred"))
    .map(([name, kind]) => {
      const [of, column] = split(name);
      return kind === " nulls not distinct"
        ? `alter table ${of} add unique nulls not distinct (${column})`
        : `alter table ${of} add unique (${column})${kind}`;
    }),
  textColumn.map((name) => {
    const [of, column] = split(name);
    return `alter table ${of} add foreign key (${column}) references words not valid`;
  }),
  fc.constantFrom("users_id_seq", "mentorados_id_seq").map((name) => `alter sequence ${name} maxvalue 3`),
  fc.constantFrom("users_id_seq", "mentorados_id_seq").map((name) => `select setval('${name}', 1, false)`),
);

const bodies = [
  "raise exception 'no';",
  "raise exception 'no' using errcode = '57014';",
  "return null;",
  "insert into journal values (now()); return coalesce(new, old);",
  "insert into hidden_journal values (now()); return coalesce(new, old);",
  "new.updated_at := now(); return new;",
  "new.email := upper(new.email); return new;",
  "if new.email is null then raise exception 'address'; end if; return new;",
  "return new;",
];
const triggers = fc
  .tuple(
    table,
    fc.constantFrom("before insert", "before update", "after insert", "after update"),
    fc.constantFrom("row", "statement", "deferred"),
    fc.constantFrom(...bodies),
    fc.integer({ min: 0, max: 1_000_000 }),
  )
  .map(([of, when, kind, body, nth]) => {
    const fn = `create function on_${nth}() returns trigger language plpgsql as $f$ begin ${body} return null; end $f$;`;
    return kind === "deferred"
      ? `${fn} create constraint trigger on_${nth} ${when.replace("before", "after")} on ${of} deferrable initially deferred for each row execute function on_${nth}()`
      : `${fn} create trigger on_${nth} ${when} on ${of} for each ${kind} execute function on_${nth}()`;
  });

const others = fc.oneof(
  fc.tuple(table, fc.constantFrom("true", "false", "id > 0")).map(
    ([of, using]) =>
      `alter table ${of} enable row level security; alter table ${of} force row level security;
       create policy some on ${of} using (${using})`,
  ),
  fc.constantFrom(
    "create table webhook_events (id serial, payload text)",
    "create view sync_runs as select 1 as id",
    "create table role_of (id int)",
    "create function clerk_email_key(text) returns text language sql immutable return $1",
    "create index users_email_key_index on users (email)",
    "create rule keep as on update to mentorados do instead nothing",
    "create unique index one_address on users (lower(email))",
    "alter type turma rename value 'neon_estrutura' to 'neon'",
  ),
);

export const difference: fc.Arbitrary<Difference> = fc.oneof(
  { weight: 4, arbitrary: columns.map((sql) => ({ sql })) },
  { weight: 3, arbitrary: constraints.map((sql) => ({ sql })) },
  { weight: 4, arbitrary: triggers.map((sql) => ({ sql })) },
  { weight: 2, arbitrary: others.map((sql) => ({ sql })) },
  { weight: 1, arbitrary: table.map((of) => ({ sql: `alter table ${of} owner to postgres`, isForeign: true })) },
);

/** What the differences refer to. */
export const surroundings = `
  create type method as enum ('email'); create domain short_text as text check (length(value) < 30);
  create table words (word varchar(320) primary key); create table journal (at timestamptz);
  create schema team; create table team.hidden_journal (at timestamptz); drop view mentorados_ativos`;
