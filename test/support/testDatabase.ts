import postgres, { type Sql } from "postgres";
import { silentLog } from "../../src/log.ts";
import { migrateDatabase } from "../../src/store/migrate.ts";
import { getTestPostgres } from "./testPostgres.ts";

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  readonly sql: Sql;
  readonly close: () => Promise<void>;
}

const templateName = "template_migrated";
let template: Promise<void> | undefined;

/** A database of the caller's own on the test run's server; copied from a migrated one unless told otherwise. */
export async function openTestDatabase({ migrated = true }: { migrated?: boolean } = {}): Promise<TestDatabase> {
  const server = await getTestPostgres();
  const name = `test_${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
  const admin = postgres(server.urlFor("postgres"), { max: 1, onnotice: () => undefined });
  if (migrated) {
    template ??= createTemplate(admin, server.urlFor(templateName));
    await template;
  }
  await admin.unsafe(`create database ${name} ${migrated ? `template ${templateName}` : ""}`);
  const url = server.urlFor(name);
  const sql = postgres(url, { max: 4, onnotice: () => undefined });
  return {
    url,
    name,
    sql,
    close: async () => {
      await sql.end({ timeout: 1 });
      await admin.unsafe(`drop database if exists ${name} with (force)`);
      await admin.end({ timeout: 1 });
    },
  };
}

async function createTemplate(admin: Sql, url: string): Promise<void> {
  await admin.unsafe(`drop database if exists ${templateName} with (force)`);
  await admin.unsafe(`create database ${templateName}`);
  await migrateDatabase({ url, log: silentLog });
}
