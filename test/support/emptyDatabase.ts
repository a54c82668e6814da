import { afterEach, beforeEach, setDefaultTimeout } from "bun:test";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { openDatabase } from "../../src/store/connection/database.ts";
import { rehearse } from "../../src/store/migration/rehearsal.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { openTestDatabase, type TestDatabase } from "./testDatabase.ts";

/** An empty database for each test of a file, and what can be done to it and seen of it. */
export function useEmptyDatabase() {
  // Real servers on a machine that may be busy.
  setDefaultTimeout(30_000);
  let db: TestDatabase;
  beforeEach(async () => {
    db = await openTestDatabase({ migrated: false });
  });
  afterEach(() => db.close());
  const migrate = (url = db.url) => migrateDatabase({ migrationDsn: parseDsn(url) });
  return {
    get sql() {
      return db.sql;
    },
    get name() {
      return db.name;
    },
    get url() {
      return db.url;
    },
    migrate,
    /** What the operator is told. */
    refusalOf: (url = db.url) =>
      migrate(url).then(
        () => "migrated",
        (error: Error) => error.message,
      ),
    look: () => lookAt(db.sql),
    /** As a server does it. */
    rehearse: async () => {
      const database = openDatabase({ dsn: parseDsn(db.url), databasePoolMax: 1 });
      try {
        return await rehearse(database, { deadlineMs: 10_000 });
      } finally {
        await database.close();
      }
    },
  };
}

/** Everything the catalogue knows of the tables, to see what a migration did to it. */
export async function lookAt(sql: TestDatabase["sql"]) {
  const columns = await sql`
    select attrelid::regclass::text || '.' || attname as name, format_type(atttypid, atttypmod) as type, attnotnull,
           attstorage, pg_get_expr(d.adbin, d.adrelid) as preset
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v'))
      and attnum > 0 order by attrelid, attnum`;
  const relations = await sql`
    select oid, relname, relkind, relfilenode, relowner from pg_class
    where relnamespace = 'public'::regnamespace order by oid`;
  const constraints = await sql`
    select conname, pg_get_constraintdef(oid) as definition from pg_constraint
    where connamespace = 'public'::regnamespace and contype <> 'n' order by oid`;
  const labels = await sql`select enumtypid, enumlabel from pg_enum order by enumtypid, enumsortorder`;
  const routines = await sql`
    select proname, md5(prosrc) as text from pg_proc where pronamespace = 'public'::regnamespace order by proname`;
  const schemas = await sql`select nspname from pg_namespace where nspname !~ '^pg_' order by 1`;
  return { columns, relations, constraints, labels, routines, schemas };
}
