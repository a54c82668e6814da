/** Differences of a database from before that would refuse or break deliveries, and what names them. */
export interface Obstacle {
  /** What is in the way. */
  readonly what: string;
  /** Run over the older tables. */
  readonly sql: string;
  readonly named: RegExp;
}

const raising = (name: string, body: string) =>
  `create function ${name}() returns trigger language plpgsql as $f$ begin ${body} end $f$;`;

/** Found by the rehearsal: what the catalogue does not tell. */
export const obstacles: readonly Obstacle[] = [
  {
    what: "a trigger that raises",
    sql: `${raising("guard", "raise exception 'no way'; return new;")}
      create trigger guard before insert on users for each row execute function guard()`,
    named: /Trigger guard of table users \(function guard\) fails: no way \(P0001\)/,
  },
  {
    what: "a trigger that raises with a SQLSTATE of its own when a mentorado is released",
    sql: `${raising("keep", "if new.user_id is null then raise exception 'kept' using errcode = 'TEAM1'; end if; return new;")}
      create trigger keep before update on mentorados for each row execute function keep()`,
    named: /Trigger keep of table mentorados \(function keep\) fails: kept \(TEAM1\)/,
  },
  {
    what: "a trigger that raises what a busy database says",
    sql: `${raising("busy", "raise exception 'come back' using errcode = '57P03'; return new;")}
      create trigger busy before insert on users for each row execute function busy()`,
    named: /Trigger busy of table users \(function busy\) fails: come back \(57P03\)/,
  },
  {
    what: "a trigger for each statement that raises",
    sql: `${raising("closed", "raise exception 'closed'; return null;")}
      create trigger closed after update on users for each statement execute function closed()`,
    named: /Trigger closed of table users \(function closed\) fails: closed/,
  },
  {
    what: "a deferred trigger that raises",
    sql: `${raising("later", "raise exception 'too late'; return null;")}
      create constraint trigger later after insert on mentorados deferrable initially deferred
        for each row execute function later()`,
    named: /Trigger later of table mentorados \(function later\) fails: too late/,
  },
  {
    what: "a trigger that needs another search_path",
    sql: `create schema team; create table team.journal (at timestamptz);
      ${raising("write_journal", "insert into journal values (now()); return new;")}
      create trigger journal after insert on users for each row execute function write_journal()`,
    named:
      /Trigger journal of table users \(function write_journal\) fails: relation "journal" does not exist \(42P01\).*search_path/,
  },
  {
    what: "a trigger that swallows users",
    sql: `${raising("swallow", "return null;")}
      create trigger swallow before insert on users for each row execute function swallow()`,
    named: /Table users: a row was silently not written.*trigger swallow \(function swallow\)/,
  },
  {
    what: "a trigger that swallows the update of a mentorado",
    sql: `${raising("swallow", "return null;")}
      create trigger swallow before update on mentorados for each row execute function swallow()`,
    named: /Table mentorados: a row was silently not written.*trigger swallow/,
  },
  {
    what: "a trigger that empties the address",
    sql: `${raising("empty", "new.email := null; return new;")}
      create trigger empty before insert on users for each row execute function empty()`,
    named: /a value read back differs from the value written.*no_email.*trigger empty of table users/,
  },
  {
    what: "a trigger that keeps the address of a deleted user",
    sql: `${raising("keep", "new.email := coalesce(new.email, old.email); return new;")}
      create trigger keep before update on users for each row execute function keep()`,
    named: /Table users: a row was silently not written.*trigger keep \(function keep\)/,
  },
  {
    what: "a rule that does something else",
    sql: "create rule keep_users as on update to users where old.clerk_id is not null do instead nothing",
    named: /Table users: .*Drop rule keep_users of table users/,
  },
  {
    what: "a rule that does something besides when a user is inserted",
    sql: "create rule noted as on insert to users do also insert into audit default values",
    named: /Table users: DO ALSO rules.*Drop rule noted of table users, or make it a trigger/,
  },
  {
    what: "a rule that does something besides when a mentorado is updated",
    sql: "create rule noted as on update to mentorados do also insert into audit default values",
    named: /Table mentorados: DO ALSO rules.*Drop rule noted of table mentorados/,
  },
  {
    what: "a check on the name",
    sql: "alter table users add constraint named check (name is not null)",
    named: /Table users: .*violates check constraint "named".*Change constraint named/,
  },
  {
    what: "a check on the address of a mentorado",
    sql: "update mentorados set email = trim(lower(email)); alter table mentorados add constraint lower_only check (email = lower(email))",
    named: /Table mentorados: .*constraint lower_only/,
  },
  {
    what: "a check that long values break",
    sql: "alter table users add constraint short check (length(image_url) < 200)",
    named: /constraint short/,
  },
  {
    what: "a unique name",
    sql: "create unique index one_name on users (name)",
    named: /Table users: .*"one_name".*Drop it/,
  },
  {
    what: "a picture that may stand once only",
    sql: "alter table mentorados add constraint one_face exclude using btree (foto_url with =)",
    named: /Table mentorados: .*"one_face"/,
  },
  {
    what: "a deferred unique name of a mentorado",
    sql: "alter table mentorados add constraint one_nome unique (nome_completo) deferrable initially deferred",
    named: /Table mentorados: .*"one_nome"/,
  },
  {
    what: "a deferred foreign key of users",
    sql: `create table logins (method varchar(64) primary key);
      alter table users add constraint known_login foreign key (login_method) references logins deferrable initially deferred`,
    named: /Table users: .*"known_login"/,
  },
  {
    what: "a foreign key from turma to a table of classes",
    sql: `create table classes (turma turma primary key); insert into classes values ('neon_legado'), ('neon_escala');
      alter table mentorados add constraint known_class foreign key (turma) references classes`,
    named: /Table mentorados: .*"known_class"/,
  },
  {
    what: "a domain with a check",
    sql: `create domain public_address as varchar(320) check (value not like '%.invalid');
      drop view mentorados_ativos; alter table users alter column email type public_address`,
    named: /Column users.email: .*public_address.*/,
  },
  {
    what: "a domain too narrow for a way to sign in",
    sql: `create domain method as text check (value in ('google', 'email'));
      alter table users alter column login_method type method`,
    named: /Column users.login_method: .*method/,
  },
  {
    what: "a clerk_id that is compared without regard to case",
    sql: "create unique index one_id on users (lower(clerk_id))",
    named: /Table users: .*"one_id"/,
  },
  {
    what: "a trigger that changes the clerk_id",
    sql: `${raising("lowered", "new.clerk_id := lower(new.clerk_id); return new;")}
      create trigger lowered before insert on users for each row execute function lowered()`,
    named: /a value read back differs from the value written.*trigger lowered of table users/,
  },
  {
    what: "a sequence of mentorados that is used up",
    sql: "alter sequence mentorados_id_seq maxvalue 5; select setval('mentorados_id_seq', 5)",
    named: /Sequence mentorados_id_seq is used up/,
  },
  {
    what: "a sequence that gives ids that are taken",
    sql: "select setval('users_id_seq', 1, false)",
    named: /users.*users_pkey.*setval/,
  },
  {
    what: "ids beyond integer",
    sql: "alter sequence users_id_seq as bigint; select setval('users_id_seq', 3000000000)",
    named: /Column .*users.id.* is integer, but the ids exceed it/,
  },
  {
    what: "a default that fails",
    sql: `create function serial_no() returns integer language plpgsql as $f$ begin raise exception 'no number'; end $f$;
      alter table mentorados add column number integer; alter table mentorados alter column number set default serial_no()`,
    named: /Function serial_no, of a default.*no number/,
  },
];
