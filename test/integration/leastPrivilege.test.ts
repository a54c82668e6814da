import { expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { runDoctor } from "../../src/cli/runDoctor.ts";
import { silentLog } from "../../src/log.ts";
import { createRetention } from "../../src/service/retention.ts";
import { findMissingGrants } from "../../src/store/migration/missingGrants.ts";
import { openDatabase } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { clerkUser, deletedEvent, userEvent } from "../support/events.ts";
import { createPagedClerk } from "../support/pagedClerk.ts";
import { openTestApp, testAdminToken, testSecret, type TestApp } from "../support/testApp.ts";
import { openTestDatabase } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";
import { connectTo } from "../support/trpcClient.ts";

// Real servers on a machine that may be busy.
setDefaultTimeout(60_000);

/** The grants that OPERATIONS.md names, each as one right on one object, for the role. */
async function readGrants(role: string): Promise<{ right: string; on: string; statement: string }[]> {
  const text = await Bun.file(`${import.meta.dir}/../../.github/OPERATIONS.md`).text();
  const block = /```sql\n(create role clerk_sync[^`]+)```/.exec(text)?.[1] ?? "";
  return [...block.matchAll(/^grant (.+) on (schema |sequence |)(.+) to clerk_sync;$/gm)].flatMap(
    ([, rights = "", kind = "", objects = ""]) =>
      objects.split(", ").flatMap((object) =>
        rights.split(", ").map((right) => ({
          right,
          on: `${kind}${object}`,
          statement: `grant ${right} on ${kind}${object} to ${role}`,
        })),
      ),
  );
}

/** A role that owns nothing and has these grants in this database. */
async function openRole({ sql, url }: Pick<TestApp["db"], "sql" | "url">) {
  const role = `least_${randomBytes(6).toString("hex")}`;
  await sql.unsafe(`create role ${role} login password 'secret'`);
  const grants = await readGrants(role);
  for (const { statement } of grants) await sql.unsafe(statement);
  // Postgres 14 and older let every role create tables here.
  await sql.unsafe("revoke create on schema public from public");
  const as = new URL(url);
  Object.assign(as, { username: role, password: "secret" });
  return {
    url: as.href,
    grants,
    close: async () => {
      await sql.unsafe(`drop owned by ${role}; drop role ${role}`);
    },
  };
}

test("a role with the grants of the README serves a whole history, and doctor has nothing to say", async () => {
  const clerk = createPagedClerk(5);
  const owner = await openForTest(openTestDatabase());
  const role = await openForTest(openRole(owner));
  const t = await openForTest(openTestApp({ clerk: clerk.api, databaseUrl: () => role.url }));
  const user = clerkUser("user_Least");
  const said = [
    await t.deliver(userEvent(user), { svixId: "msg_least" }),
    await t.deliver(userEvent(user), { svixId: "msg_least" }),
    await t.deliver(userEvent({ ...user, first_name: "Other", updated_at: Number(user["updated_at"]) + 1 })),
    await t.deliver("{}"),
    await t.deliver(deletedEvent("user_Least")),
  ];
  expect(said.map((answer) => answer.said)).toEqual(["applied", "duplicate", "applied", "invalid_event", "applied"]);

  const client = connectTo(t, testAdminToken);
  for (const kind of ["backfill", "reconcile"] as const) {
    const { runId } = await client.runs.start.mutate({ kind });
    await t.services.runs.waitFor(runId);
    expect(await client.runs.get.query({ runId })).toMatchObject({ status: "done", seen: 5 });
  }
  const { mentorado } = await client.sync.user.query({ clerkId: "user_P00001" });
  const mentoradoId = mentorado?.id ?? 0;
  await client.links.unlink.mutate({ mentoradoId });
  expect((await client.links.conflicts.query()).items).toHaveLength(1);
  await client.links.resolve.mutate({ clerkId: "user_P00001", mentoradoId });
  expect((await client.sync.resync.mutate({ clerkId: "user_P00001" })).outcome).toBe("unchanged");
  const [dead] = (await client.events.list.query({ outcome: "dead" })).items;
  expect((await client.events.replay.mutate({ svixId: dead?.svixId ?? "" })).outcome).toBe("dead");
  const { promise: isHeld, resolve: hold } = Promise.withResolvers<void>();
  clerk.onList = () => {
    hold();
    return new Promise(() => undefined);
  };
  const { runId } = await client.runs.start.mutate({ kind: "backfill" });
  await isHeld;
  await t.services.runs.stop(runId, "interrupted");
  clerk.onList = () => undefined;
  const { runId: resumedId } = await client.runs.start.mutate({ kind: "backfill" });
  await t.services.runs.waitFor(resumedId);
  expect((await client.runs.get.query({ runId: resumedId })).status).toBe("done");
  expect(await client.sync.status.query()).toMatchObject({ users: { total: 6, deleted: 1 }, links: { linked: 5 } });

  await createRetention({ database: t.database, keepMs: 0, ledgerKeepMs: 1, log: silentLog }).sweep();
  expect(await owner.sql`select from webhook_events where outcome <> 'dead'`).toHaveLength(0);
  expect((await t.app.request("/readyz")).status).toBe(200);
  const checks = await runDoctor({ DATABASE_URL: role.url, CLERK_WEBHOOK_SECRET: testSecret }, silentLog);
  expect(checks.filter(({ status }) => status === "failure")).toEqual([]);
  expect(checks.find(({ name }) => name === "rights")?.status).toBe("ok");
});

test("a grant that is missing is named by doctor, whichever it is", async () => {
  const owner = await openForTest(openTestDatabase());
  const role = await openForTest(openRole(owner));
  const database = await openForTest(openDatabase({ dsn: parseDsn(role.url) }));
  for (const { right, on, statement } of role.grants) {
    // Every role has it by default.
    if (on === "schema public") await owner.sql.unsafe("revoke usage on schema public from public");
    await owner.sql.unsafe(statement.replace("grant", "revoke").replace(" to ", " from "));
    const missing = await database.run(findMissingGrants);
    await owner.sql.unsafe(statement);
    const [, object = on] = on.split(" ");
    expect(missing.map(({ sentence }) => sentence)).toEqual([
      expect.stringMatching(new RegExp(`^Role \\S+ lacks ${right} on .*${object}: GRANT `, "i")),
    ]);
  }
  await owner.sql.unsafe(role.grants.at(-1)?.statement.replace("grant", "revoke").replace(" to ", " from ") ?? "");
  const checks = await runDoctor({ DATABASE_URL: role.url, CLERK_WEBHOOK_SECRET: testSecret }, silentLog);
  const named = expect.stringMatching(/GRANT USAGE ON SEQUENCE public\.\w+_id_seq TO/) as string;
  expect(checks.filter(({ name }) => name === "rights" || name === "rehearsal")).toEqual([
    { name: "rights", status: "failure", message: named },
    { name: "rehearsal", status: "warning", message: "not run: it needs the rights that are missing" },
  ]);
});
