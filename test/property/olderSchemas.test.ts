import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { functionsSchema } from "../../src/store/migration/sqlFunctions.ts";
import { runDoctor } from "../../src/cli/runDoctor.ts";
import { silentLog } from "../../src/log.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { lookAt } from "../support/emptyDatabase.ts";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { openLimitedRole } from "../support/limitedRole.ts";
import { difference, surroundings, type Difference } from "../support/olderSchemas.ts";
import { olderTables } from "../support/olderTables.ts";
import { openTestApp, type TestApp } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";

/** `OLDER_SCHEMAS=500 bun run test test/property/olderSchemas.test.ts` tries more and prints how they ended. */
const suiteSchemas = 25;
const schemas = Number(process.env["OLDER_SCHEMAS"] ?? suiteSchemas);

/** The short history that every database has to take: each answer is 200, and the tables are what it says. */
async function tellHistory(t: TestApp): Promise<string[]> {
  const faults: string[] = [];
  const deliver = async (what: string, event: object) => {
    const { status, said } = await t.deliver(event);
    if (status !== 200 || said !== "applied") faults.push(`${what}: ${status} ${said}`);
  };
  await deliver("created", userEvent(clerkUser("user_Ana", { email: "a@r.io" })));
  await deliver("changed", userEvent(clerkUser("user_Ana", { email: "b@r.io", updated_at: startMs + 9 })));
  await deliver("linked", userEvent(clerkUser("user_Cid", { email: "c@r.io" })));
  await deliver(
    "without address",
    userEvent(clerkUser("user_Dea", { email: null, first_name: null, last_name: null })),
  );
  await deliver("deleted", deletedEvent("user_Ana"));
  if (faults.length > 0) return faults;

  const gone = await t.services.users.getUser("user_Ana");
  if (gone.state !== "deleted" || gone.user?.email !== null || gone.mentorado !== null) faults.push("not a tombstone");
  const cid = await t.services.users.getUser("user_Cid");
  if (cid.state !== "synced" || (cid.user?.email !== null && cid.link !== "linked"))
    faults.push(`a user is ${cid.link}`);
  if ((await t.services.users.getUser("user_Dea")).state !== "synced") faults.push("a user is missing");
  return faults;
}

async function endOf(differences: readonly Difference[]): Promise<"refused" | "works" | "named"> {
  const db = await openTestDatabase({ migrated: false });
  const role = await openLimitedRole(
    db,
    `grant create, usage on schema public to ROLE; grant create on database ${db.name} to ROLE`,
  );
  try {
    const asOwner = (sql: string) => db.sql.unsafe(`set local role ${role.name}; ${sql}`);
    await asOwner(olderTables);
    await asOwner(surroundings);
    for (const { sql, isForeign } of differences) {
      await (isForeign ? db.sql.unsafe(sql) : asOwner(sql)).catch(() => undefined);
    }
    const before = await lookAt(db.sql);
    const refusal = await migrateDatabase({ migrationDsn: parseDsn(role.url) }).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (refusal !== undefined) {
      expect(refusal).toMatch(/nothing was changed/);
      expect(await lookAt(db.sql)).toEqual(before);
      return "refused";
    }
    const t = await openTestApp({ databaseUrl: () => role.url });
    try {
      const faults = await tellHistory(t);
      if (faults.length === 0) return "works";
      const checks = await runDoctor({ DATABASE_URL: role.url }, silentLog);
      const named = checks.filter(
        ({ name, status }) => (name === "rehearsal" || name === "turma") && status === "failure",
      );
      expect({ faults, named: named.length > 0 }).toEqual({ faults, named: true });
      return "named";
    } finally {
      await t.close();
    }
  } finally {
    await role.close();
    await db.close();
  }
}

test("whatever a team's tables are: migrate refuses and changes nothing, or deliveries work, or doctor says why not", async () => {
  const ends = { refused: 0, works: 0, named: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(difference, { maxLength: 3 }), async (differences) => {
      ends[await endOf(differences)] += 1;
    }),
    // The suite tries the same ones each time.
    { numRuns: schemas, endOnFailure: true, ...(schemas === suiteSchemas && { seed: 1 }) },
  );
  if (schemas > suiteSchemas) console.log(`${functionsSchema}: ${JSON.stringify(ends)}`);
  expect(ends.refused + ends.works + ends.named).toBeGreaterThan(0);
}, 3_600_000);
