import { expect, test } from "bun:test";
import postgres from "postgres";
import { findPendingMigrations } from "../../src/store/migration/schemaState.ts";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";
import { startCli } from "../support/cli.ts";
import { useEmptyDatabase } from "../support/emptyDatabase.ts";
import { olderTables } from "../support/olderTables.ts";

const db = useEmptyDatabase();

async function printSql(...options: string[]) {
  const { code, stdout, stderr } = await startCli([...options, "migrate", "--print-sql"], { DATABASE_URL: db.url })
    .ended;
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

test.each([
  ["an empty database", ""],
  ["older tables", olderTables],
])("migrate --print-sql over %s prints what migrate would run, and runs none of it", async (_, sql) => {
  await db.sql.unsafe(sql);
  const before = await db.look();
  const script = await printSql();
  expect(await db.look()).toEqual(before);
  expect(script).toContain('create table if not exists "webhook_events"');
  expect(script).toContain(`create function ${functionsSchema}.apply_user_changes(`);
  expect(script).not.toContain("clerk_sync.");

  // As psql would run it, in one session.
  const session = postgres(db.url, { max: 1, onnotice: () => undefined });
  await session.unsafe(script);
  await session.end();
  expect(await findPendingMigrations(db.sql)).toEqual([]);
  const made = await db.look();
  await db.migrate();
  expect(await db.look()).toEqual(made);
});

test("--print-sql prints a comment if nothing is pending; --json is one document", async () => {
  await db.migrate();
  expect(await printSql()).toMatch(/^-- .*nothing to do.*\n$/);
  expect(JSON.parse(await printSql("--json"))).toEqual({ sql: expect.stringMatching(/^-- /) as string });
});

test("what migrate would refuse is refused by --print-sql too", async () => {
  await db.sql`create table role (id int)`;
  const { code, stdout, stderr } = await startCli(["migrate", "--print-sql"], { DATABASE_URL: db.url }).ended;
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("The name role is taken");
});
