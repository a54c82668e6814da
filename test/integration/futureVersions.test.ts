import { expect, test } from "bun:test";
import { deletedEvent, userEvent } from "../support/events.ts";
import { pagedId, pagedUser } from "../support/pagedClerk.ts";
import { expectEqualToClerk, openRunsTest, type RunsTest } from "../support/runs.ts";

const inYear2099Ms = Date.UTC(2099, 0, 1);

/** A row that a webhook wrote under a version of the year 2099; Clerk has since said something else. */
async function openWithFutureRow(): Promise<RunsTest> {
  const r = await openRunsTest(3);
  const future = pagedUser(1, { first_name: "Future", updated_at: inYear2099Ms, public_metadata: { role: "admin" } });
  expect((await r.t.deliver(userEvent(future))).said).toBe("applied");
  r.clerk.users.set(pagedId(1), pagedUser(1, { updated_at: Date.now(), public_metadata: { role: "user" } }));
  return r;
}

const repairs: Record<string, (r: RunsTest) => Promise<unknown>> = {
  "a re-sync": (r) => r.t.services.users.resync({ clerkId: pagedId(1) }),
  "a reconcile": (r) => r.run("reconcile"),
  "a backfill": (r) => r.run("backfill"),
  "a later webhook": (r) => r.t.deliver(userEvent(r.clerk.users.get(pagedId(1)) ?? pagedUser(1))),
};

test.each(Object.keys(repairs))("%s repairs a row whose webhook carried a version of the year 2099", async (name) => {
  const r = await openWithFutureRow();
  await repairs[name]?.(r);
  const { user } = await r.t.services.users.getUser(pagedId(1));
  expect(user).toMatchObject({ name: "N1 Souza", role: "user" });
});

test("an answer of Clerk's API with a version of the year 2099 is replaced by the next answer", async () => {
  const r = await openRunsTest(3);
  r.clerk.users.set(pagedId(2), pagedUser(2, { first_name: "Future", updated_at: inYear2099Ms }));
  await r.run("backfill");
  await expectEqualToClerk(r);
  r.clerk.users.set(pagedId(2), pagedUser(2, { updated_at: Date.now() }));
  expect(await r.run("reconcile")).toMatchObject({ status: "done", drift: 1 });
  await expectEqualToClerk(r);
});

test("a deletion of the year 2099 is stored as of its arrival", async () => {
  const r = await openRunsTest(0);
  const sinceMs = Date.now();
  await r.t.deliver(deletedEvent("user_Gone", inYear2099Ms));
  const user = await r.t.findUser("user_Gone");
  for (const column of ["deleted_at", "last_signed_in"]) {
    expect(Number(user?.[column])).toBeWithin(sinceMs, Date.now() + 1);
  }
});

test("a version less than a day ahead of its arrival counts as it is", async () => {
  const r = await openRunsTest(0);
  const ahead = pagedUser(1, { first_name: "Ahead", updated_at: Date.now() + 3_600_000 });
  await r.t.deliver(userEvent(ahead));
  expect((await r.t.deliver(userEvent(pagedUser(1, { updated_at: Date.now() })))).said).toBe("stale");
});

test("a version of the year 2099 that an older program stored outranks nothing", async () => {
  const r = await openRunsTest(3);
  await r.run("backfill");
  const future = `${String(inYear2099Ms).padStart(15, "0")}:0:000000000000000:msg_old`;
  await r.t.sql`update users set name = 'Future', role = 'admin', clerk_version = ${future}, role_version = ${future}`;
  r.clerk.users.set(pagedId(1), pagedUser(1, { first_name: "Now", public_metadata: { role: "user" } }));
  await r.run("reconcile");
  const { user } = await r.t.services.users.getUser(pagedId(1));
  expect(user).toMatchObject({ role: "user", name: expect.stringContaining("Now") as string });
});
