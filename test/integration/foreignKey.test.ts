import { describe, expect, test } from "bun:test";
import { createSessionVerifier } from "../../src/auth/sessionVerifier.ts";
import { silentLog } from "../../src/log.ts";
import { userEvent } from "../support/events.ts";
import { createPagedClerk, pagedId, pagedUser, type PagedClerk } from "../support/pagedClerk.ts";
import { signSession, testJwtKey, testParty } from "../support/sessionTokens.ts";
import { openTestApp, testAdminToken, type TestApp } from "../support/testApp.ts";
import { toClose } from "../support/toClose.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";

interface ForeignTest {
  readonly t: TestApp;
  /** Of another instance: forty users, none of them known here. */
  readonly clerk: PagedClerk;
  readonly run: (kind: "backfill" | "reconcile", dryRun?: boolean) => Promise<{ status: string; error: string | null }>;
  readonly figures: () => Promise<{ active: number; linked: number }>;
}

/** Production's webhooks made fifteen users; a mentorado waits with the address of a user of the other instance. */
async function openForeignTest(options: {
  named: string | null;
  clerkInstanceId?: string;
  instanceOfEvents?: string | null;
}): Promise<ForeignTest> {
  const clerk = createPagedClerk(40);
  clerk.instanceId = options.named;
  const { clerkInstanceId } = options;
  const t = await openTestApp({
    clerk: clerk.api,
    clerkInstanceId,
    app: {
      verifySession: createSessionVerifier({
        jwtKey: testJwtKey,
        apiUrl: "http://127.0.0.1:9",
        authorizedParties: [testParty],
        log: silentLog,
      }),
    },
  });
  toClose.push(t.close);
  const { instanceOfEvents = "ins_prod" } = options;
  for (let n = 500; n < 515; n += 1) {
    expect((await t.deliver(userEvent(pagedUser(n), { instance_id: instanceOfEvents }))).said).toBe("applied");
  }
  await t.sql`insert into mentorados (nome_completo, email, turma) values ('Waiting', 'p00007@example.com', 'neon_escala')`;
  const { runs } = t.services;
  toClose.unshift(() => runs.close());
  return {
    t,
    clerk,
    run: async (kind, dryRun = false) => {
      const { runId } = await runs.start({ kind, dryRun });
      await runs.waitFor(runId);
      return runs.get(runId);
    },
    figures: async () => {
      const [row] = await t.sql<{ active: number; linked: number }[]>`
        select (select count(*)::int from users where deleted_at is null) as active,
               (select count(*)::int from mentorados where user_id is not null) as linked`;
      return row ?? { active: 0, linked: 0 };
    },
  };
}

const keys: Record<
  string,
  { named: string | null; clerkInstanceId?: string; instanceOfEvents?: string | null; says: string }
> = {
  "of another instance than CLERK_INSTANCE_ID": {
    named: "ins_dev",
    clerkInstanceId: "ins_prod",
    says: "CLERK_SECRET_KEY belongs to instance ins_dev, but CLERK_INSTANCE_ID is ins_prod.",
  },
  "of another instance than the ledger's": {
    named: "ins_dev",
    says: "CLERK_SECRET_KEY belongs to instance ins_dev, but the events stored here are of instance ins_prod.",
  },
  "whose instance Clerk does not name": { named: null, says: "Clerk knows none of the users who are active here." },
  "named by Clerk, with events that name none": {
    named: "ins_dev",
    instanceOfEvents: null,
    says: "Clerk knows none of the users who are active here.",
  },
};

describe.each(Object.keys(keys))("with a key %s", (name) => {
  const { says, ...options } = keys[name] ?? { named: null, says: "" };

  test.each(["backfill", "reconcile"] as const)("a %s fails, says why, writes and deletes nothing", async (kind) => {
    const r = await openForeignTest(options);
    for (const dryRun of [true, false]) {
      const run = await r.run(kind, dryRun);
      expect(run).toMatchObject({ status: "failed", error: expect.stringContaining(says) as string });
    }
    expect(await r.figures()).toEqual({ active: 15, linked: 15 });
  });

  test("a re-sync of a user whom that instance does not know is PRECONDITION_FAILED and erases nothing", async () => {
    const r = await openForeignTest(options);
    const client = connectTo(r.t, testAdminToken);
    for (const dryRun of [true, false]) {
      const call = client.sync.resync.mutate({ clerkId: pagedId(505), dryRun });
      expect(await codeOf(call)).toBe("PRECONDITION_FAILED");
      expect(await call.catch(String)).toContain(says);
    }
    expect(await r.figures()).toEqual({ active: 15, linked: 15 });
  });
});

// Where Clerk names no instance, a user whom it shows is written: see below.
const namedKeys = Object.keys(keys).filter((name) => keys[name]?.named !== null);

test.each(namedKeys)(
  "with a key %s a re-sync and a first login of a user of that instance write nothing",
  async (name) => {
    const r = await openForeignTest(keys[name] ?? { named: null });
    const calls = [
      () => connectTo(r.t, testAdminToken).sync.resync.mutate({ clerkId: pagedId(7) }),
      () => connectTo(r.t, signSession(pagedId(7))).me.get.query(),
    ];
    for (const call of calls) {
      expect(await codeOf(call())).toBe("PRECONDITION_FAILED");
      // A failure is not remembered, and neither is it taken for proof.
      expect(await codeOf(call())).toBe("PRECONDITION_FAILED");
    }
    expect(await r.figures()).toEqual({ active: 15, linked: 15 });
  },
);

describe("with the right key", () => {
  test.each<[string, string | null]>([
    ["named", "ins_prod"],
    ["not named", null],
  ])("whose instance is %s a user gone at Clerk is erased by a re-sync, and a reconcile runs", async (_, named) => {
    const r = await openForeignTest({ named });
    for (let n = 501; n < 515; n += 1) r.clerk.users.set(pagedId(n), pagedUser(n));
    const answer = await connectTo(r.t, testAdminToken).sync.resync.mutate({ clerkId: pagedId(500) });
    expect(answer).toMatchObject({ outcome: "applied", after: { deletedAt: expect.any(String) as string } });
    expect(await r.run("reconcile")).toMatchObject({ status: "done", error: null });
    expect(await r.figures()).toEqual({ active: 54, linked: 54 });
  });

  test("though Clerk names no instance, a user who is here is re-synced, whichever others Clerk does not have", async () => {
    const r = await openForeignTest({ named: null });
    r.clerk.users.set(pagedId(500), { ...pagedUser(500), first_name: "Novo" });
    const answer = await connectTo(r.t, testAdminToken).sync.resync.mutate({ clerkId: pagedId(500) });
    expect(answer).toMatchObject({ outcome: "applied", changed: ["name"] });
  });

  test("though Clerk names no instance, a user who is not here is written, by a re-sync and a first login", async () => {
    const r = await openForeignTest({ named: null });
    r.clerk.users.set(pagedId(500), pagedUser(500));
    expect((await connectTo(r.t, signSession(pagedId(7))).me.get.query()).state).toBe("synced");
    const answer = await connectTo(r.t, testAdminToken).sync.resync.mutate({ clerkId: pagedId(8) });
    expect(answer.outcome).toBe("applied");
  });

  test("the only active user can be erased by a re-sync though Clerk names no instance", async () => {
    const r = await openForeignTest({ named: null });
    await r.t.sql`delete from users where clerk_id <> ${pagedId(500)}`;
    const answer = await connectTo(r.t, testAdminToken).sync.resync.mutate({ clerkId: pagedId(500) });
    expect(answer.outcome).toBe("applied");
    expect((await r.figures()).active).toBe(0);
  });

  test("each run and each re-sync asks for the instance again; a first login relies on an earlier match", async () => {
    const r = await openForeignTest({ named: "ins_prod" });
    const client = connectTo(r.t, testAdminToken);
    expect((await client.sync.resync.mutate({ clerkId: pagedId(7) })).outcome).toBe("applied");
    for (const named of ["ins_dev", null]) {
      r.clerk.instanceId = named;
      expect((await connectTo(r.t, signSession(pagedId(8))).me.get.query()).state).toBe("synced");
      r.clerk.users.clear();
      expect(await codeOf(client.sync.resync.mutate({ clerkId: pagedId(501) }))).toBe("PRECONDITION_FAILED");
      for (const kind of ["backfill", "reconcile"] as const) expect((await r.run(kind)).status).toBe("failed");
      expect((await r.figures()).active).toBe(17);
    }
    r.clerk.instanceId = "ins_prod";
    expect(await codeOf(client.sync.resync.mutate({ clerkId: pagedId(501) }))).toBe("no error");
  });
});
