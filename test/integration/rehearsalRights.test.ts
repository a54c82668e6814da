import { expect, setDefaultTimeout, test } from "bun:test";
import { runDoctor } from "../../src/cli/runDoctor.ts";
import { silentLog } from "../../src/log.ts";
import { startRehearsal } from "../../src/service/startRehearsal.ts";
import { openDatabase } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";
import { askReadiness } from "../support/askReadiness.ts";
import { openLimitedRole, serverGrants } from "../support/limitedRole.ts";
import { olderTables } from "../support/olderTables.ts";
import { waitFor } from "../support/serverProcess.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

setDefaultTimeout(30_000);

/** The lines of the rights and, if it was held, of the rehearsal as `status: message`. */
async function rehearseWithDoctor(url: string): Promise<string[]> {
  const checks = await runDoctor({ DATABASE_URL: url }, silentLog);
  return checks
    .filter(({ name, status }) =>
      name === "rights" ? status === "failure" : name === "rehearsal" && status !== "warning",
    )
    .map(({ status, message }) => `${status}: ${message}`);
}

/** What `/readyz` answers once a rehearsal in the background has ended. */
async function rehearseAndAsk(url: string) {
  const database = await openForTest(openDatabase({ dsn: parseDsn(url), databasePoolMax: 2 }));
  const rehearsal = startRehearsal({ database, log: silentLog });
  await waitFor(() => rehearsal.findReport() !== undefined, { deadlineMs: 10_000, what: "a rehearsal" });
  rehearsal.stop();
  return askReadiness(database, rehearsal);
}

async function openServerRole(grants = "") {
  const db = await openForTest(openTestDatabase());
  const role = await openForTest(openLimitedRole(db, `${serverGrants}; ${grants}`));
  return { db, role };
}

test("a role with no right beyond the tables, their sequences and schema public is all that a server needs", async () => {
  const { role } = await openServerRole();
  expect(await rehearseWithDoctor(role.url)).toEqual([expect.stringMatching(/^ok: /)]);
  expect(await rehearseAndAsk(role.url)).toMatchObject({
    ready: true,
    checks: { server: "ok", database: "ok", migrations: "ok", rehearsal: "ok" },
  });
});

test.each<[string, string, RegExp]>([
  [
    "insert on the ledger",
    "revoke insert on webhook_events from ROLE",
    /GRANT INSERT ON TABLE public.webhook_events TO/,
  ],
  [
    "delete on the ledger",
    "revoke delete on webhook_events from ROLE",
    /GRANT DELETE ON TABLE public.webhook_events TO/,
  ],
  ["update on users", "revoke update on users from ROLE", /GRANT UPDATE ON TABLE public.users TO/],
  [
    "update on the counters",
    "revoke update on event_counters from ROLE",
    /GRANT UPDATE ON TABLE public.event_counters TO/,
  ],
  [
    "delete on the recent counters",
    "revoke delete on event_counters_recent from ROLE",
    /GRANT DELETE ON TABLE public.event_counters_recent TO/,
  ],
  [
    "a table of the runs",
    "revoke all on sync_run_pages from ROLE",
    /GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE public.sync_run_pages TO/,
  ],
  [
    "a sequence",
    "revoke all on mentorado_links_id_seq from ROLE",
    /GRANT USAGE ON SEQUENCE public.mentorado_links_id_seq TO/,
  ],
  ["the sequence of users", "revoke all on users_id_seq from ROLE", /GRANT USAGE ON SEQUENCE public.users_id_seq TO/],
  ["schema public", "revoke usage on schema public from public, ROLE", /GRANT USAGE ON SCHEMA public TO/],
  [
    "the functions' schema",
    `revoke usage on schema ${functionsSchema} from public`,
    new RegExp(`GRANT USAGE ON SCHEMA ${functionsSchema} TO`),
  ],
])(
  "a server's role without a right (%s): doctor names the grant that helps, /readyz what it is on",
  async (_, revoke, named) => {
    const { db, role } = await openServerRole(revoke);
    const found = await rehearseWithDoctor(role.url);
    expect(found).toEqual([expect.stringMatching(/^failure: Role role_/)]);
    expect(found[0]).toMatch(named);
    const readiness = await rehearseAndAsk(role.url);
    expect(readiness).toMatchObject({ ready: false, checks: { database: "ok", migrations: "ok" } });
    const object = / on (\w+ \S+): GRANT/.exec(found[0] ?? "")?.[1] ?? "none";
    expect(readiness.checks.rehearsal).toBe(`A right on ${object} is missing (42501)`);
    await db.sql.unsafe(/: (GRANT .*)\.$/.exec(found[0] ?? "")?.[1] ?? "none");
    expect(await rehearseWithDoctor(role.url)).toEqual([expect.stringMatching(/^ok: /)]);
  },
);

test("several rights that are missing are named at once", async () => {
  const { role } = await openServerRole(
    "revoke insert on webhook_events from ROLE; revoke all on users_id_seq from ROLE",
  );
  const found = await rehearseWithDoctor(role.url);
  expect(found).toHaveLength(2);
});

test.each(["users", "mentorados"])("row security of %s that lets the role write nothing is named", async (table) => {
  const { role } = await openServerRole(`alter table ${table} enable row level security;
    create policy own_rows on ${table} using (false)`);
  const said = (await rehearseWithDoctor(role.url)).join("\n");
  expect(said).toMatch(new RegExp(`^failure: Table ${table}: .*own_rows`));
});

test("forced row security: migrate refuses with the owner's role, names it and changes nothing", async () => {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  const role = await openForTest(
    openLimitedRole(
      db,
      `grant create, usage on schema public to ROLE;
    grant create on database ${db.name} to ROLE; set role ROLE; ${olderTables};
    alter table users enable row level security; alter table users force row level security; reset role`,
    ),
  );
  const refusal = await migrateDatabase({ migrationDsn: parseDsn(role.url) }).then(
    () => "migrated",
    (error: Error) => error.message,
  );
  expect(refusal).toMatch(
    /nothing was changed.*\n- Table users: row security refuses the rows that role role_\w+ writes/,
  );
  expect(await db.sql`select from pg_class where relname = 'webhook_events'`).toHaveLength(0);
});
