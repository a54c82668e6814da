import type { TestDatabase } from "./testDatabase.ts";

/** A database role for one test. */
export interface LimitedRole {
  readonly name: string;
  /** The database's URL with it. */
  readonly url: string;
  readonly close: () => Promise<unknown>;
}

/** A role that may log in and nothing else, unless `grants` say so (`ROLE` stands for its name). */
export async function openLimitedRole(
  db: Pick<TestDatabase, "sql" | "name" | "url">,
  grants: string,
): Promise<LimitedRole> {
  const name = `role_${db.name}`;
  await db.sql.unsafe(`create role ${name} login password 'pw'; ${grants.replaceAll("ROLE", name)}`);
  const url = new URL(db.url);
  Object.assign(url, { username: name, password: "pw" });
  return { name, url: url.href, close: () => db.sql.unsafe(`drop owned by ${name} cascade; drop role ${name}`) };
}

/** What a server needs, and no more. */
export const serverGrants = `grant usage on schema public to ROLE;
  grant select, insert, update, delete on all tables in schema public to ROLE;
  grant usage on all sequences in schema public to ROLE`;
