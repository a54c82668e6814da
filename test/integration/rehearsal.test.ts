import { expect, test } from "bun:test";
import { useEmptyDatabase } from "../support/emptyDatabase.ts";
import { obstacles } from "../support/obstacles.ts";
import { olderTables } from "../support/olderTables.ts";

const db = useEmptyDatabase();
const { migrate, refusalOf, look } = db;

test.each(obstacles.map(({ what, ...rest }) => [what, rest] as const))(
  "%s is named by migrate, which changes nothing",
  async (_, { sql, named }) => {
    await db.sql.unsafe(olderTables);
    await db.sql.unsafe(sql);
    const before = await look();
    const said = await refusalOf();
    expect(said).toMatch(/^The migration cannot be applied; nothing was changed\.\n- /);
    expect(said).toMatch(named);
    expect(await look()).toEqual(before);
  },
);

test("several obstacles are found at once, each named once", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql.unsafe(`alter table users add constraint named check (name is not null);
    alter table mentorados add constraint one_nome unique (nome_completo) deferrable initially deferred;
    alter table users add constraint short check (length(image_url) < 200)`);
  const lines = (await refusalOf()).split("\n- ").slice(1);
  expect(new Set(lines.map((line) => /"(\w+)" \(/.exec(line)?.[1]))).toEqual(new Set(["named", "one_nome", "short"]));
  expect(lines).toHaveLength(3);
});

test("a rehearsal leaves no row and no lock", async () => {
  await db.sql.unsafe(olderTables);
  await migrate();
  const count = () =>
    db.sql`select (select count(*) from users) as users, (select count(*) from mentorados) as mentorados,
             (select count(*) from webhook_events) as events, (select count(*) from event_counters) as counters,
             (select count(*) from mentorado_links) as links, (select count(*) from sync_runs) as runs,
             (select count(*) from audit) as audit`;
  const before = await count();
  const found = await db.sql.begin(async (tx) => {
    const report = await db.rehearse();
    const locks = await tx`select from pg_locks where locktype = 'advisory' or relation = 'users'::regclass`;
    return { report, locks: locks.length };
  });
  expect(found).toEqual({ report: { obstacles: [], warnings: [] }, locks: 0 });
  expect([...(await count())]).toEqual([...before]);
});

test("tables may have columns named like any argument, variable or alias of the functions", async () => {
  await migrate();
  const names = await db.sql<{ name: string }[]>`
    with sources as (
      select prosrc, proargnames from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname like 'clerk_sync_%')
    select unnest(proargnames) as name from sources
    union select (regexp_matches(prosrc, '^ +([a-z_]+) (?:constant )?[a-z_.]+(?:\\[\\])?(?: := .*)?;', 'gm'))[1] from sources
    union select (regexp_matches(prosrc, '\\mas ([a-z_]+)\\M', 'g'))[1] from sources`;
  expect(names.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["parts", "applied_at", "vacated_keys", "is_same_content"]),
  );
  for (const table of ["users", "mentorados"])
    for (const { name } of names) await db.sql`alter table ${db.sql(table)} add if not exists ${db.sql(name)} text`;
  expect(await db.rehearse()).toEqual({ obstacles: [], warnings: [] });
});

test("a rehearsal that does not get the writer's lock reports no obstacles", async () => {
  await migrate();
  await db.sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(7164381920153)`;
    expect(await db.rehearse().catch((error: { code: string }) => error.code)).toBe("unavailable");
  });
});

test("a unique address is a warning that says what will wait, and the migration succeeds", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql`create unique index one_address on users (lower(email))`;
  await migrate();
  const { obstacles, warnings } = await db.rehearse();
  expect(obstacles).toEqual([]);
  expect(warnings.map(({ sentence }) => sentence)).toEqual([
    expect.stringMatching(/the address is unique \(one_address\).*answered 503/),
  ]);
});

test("a table that a crash empties is an obstacle, before the migration and when it became so later", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql`alter table mentorados set unlogged`;
  const before = await look();
  expect(await refusalOf()).toMatch(/- Table mentorados is unlogged.*SET LOGGED/);
  expect(await look()).toEqual(before);
  await db.sql`alter table mentorados set logged`;
  await migrate();
  await db.sql`alter table webhook_events set unlogged`;
  expect(await db.rehearse()).toMatchObject({
    obstacles: [{ names: expect.stringMatching(/^Table webhook_events is unlogged/) as string }],
    warnings: [],
  });
});

test.each([
  ["email", "lower(new.email)"],
  ["name", "upper(new.name)"],
])(
  "a trigger that rewrites the %s is a warning that says that each reconcile will report drift",
  async (column, value) => {
    await migrate();
    await db.sql.unsafe(`create function rewrite() returns trigger language plpgsql
      as $f$ begin new.${column} := ${value}; return new; end $f$;
    create trigger rewrite before insert or update on users for each row execute function rewrite()`);
    const { obstacles, warnings } = await db.rehearse();
    expect(obstacles).toEqual([]);
    expect(warnings.map(({ sentence }) => sentence)).toEqual([
      expect.stringMatching(
        /trigger rewrite of table users: change it so that it keeps.*a reconcile does this and would report drift/,
      ),
    ]);
  },
);

test("a class that some labels of turma lack is a warning for these users alone", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql.unsafe(`create table classes (turma turma primary key);
    insert into classes values ('neon_legado'), ('neon_escala'), ('neon_estrutura');
    alter table mentorados add constraint known_class foreign key (turma) references classes;
    delete from classes where turma = 'neon_estrutura'; insert into classes values ('neon_estrutura')`);
  await migrate();
  await db.sql`alter type turma add value 'neon_novo'`;
  const { obstacles, warnings } = await db.rehearse();
  expect(obstacles).toEqual([]);
  expect(warnings.map(({ sentence }) => sentence)).toEqual([
    expect.stringMatching(/known_class.*public_metadata\.turma is neon_novo/),
  ]);
});

test("a trigger that finds its tables through the search_path of the database works", async () => {
  await db.sql.unsafe(olderTables);
  await db.sql.unsafe(`create schema team; create table team.journal (at timestamptz);
    alter database ${db.name} set search_path = team, public;
    create function team.write_journal() returns trigger language plpgsql
      as $f$ begin insert into journal values (now()); return new; end $f$;
    create trigger journal after insert on users for each row execute function team.write_journal()`);
  await migrate();
  expect(await db.sql`select from team.journal`).toHaveLength(0);
});
