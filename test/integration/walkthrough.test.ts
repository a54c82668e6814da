import { expect, test } from "bun:test";
import { migrateDatabase } from "../../src/store/migration/migrate.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { rehearse } from "../../src/store/migration/rehearsal.ts";
import { clerkUser, deletedEvent, userEvent } from "../support/events.ts";
import { openTestApp } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";
import { walkthroughTables } from "../support/walkthroughTables.ts";

test("a project that grew from the walkthrough is migrated, and without DEFAULT_TURMA a new user gets its one class", async () => {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  await db.sql.unsafe(walkthroughTables);
  await migrateDatabase({ migrationDsn: parseDsn(db.url) });
  const t = await openForTest(openTestApp({ databaseUrl: () => db.url }));
  expect(await rehearse(t.database, { deadlineMs: 10_000 })).toEqual({ obstacles: [], warnings: [] });

  expect((await t.deliver(userEvent(clerkUser("user_New")))).said).toBe("applied");
  const [made] = await db.sql`select turma, meta_faturamento, tags from mentorados where email = 'new@example.com'`;
  expect(made).toMatchObject({ turma: "neon", meta_faturamento: 16000 });
  expect((await t.deliver(userEvent(clerkUser("user_Ana")))).said).toBe("applied");
  expect((await t.services.users.getUser("user_Ana")).link).toBe("linked");
  expect((await t.deliver(deletedEvent("user_Ana"))).said).toBe("applied");
  expect(await db.sql`select from registro_0`).toHaveLength(1);
});
