import { expect, test } from "bun:test";
import type { TransactionSql } from "postgres";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { expectUndelayed, startSteadyLoad } from "../support/steadyLoad.ts";
import { createFixedClerk, openTestApp, testAdminToken, type TestApp } from "../support/testApp.ts";
import { whileLocked } from "../support/lockedRows.ts";
import { openForTest } from "../support/toClose.ts";
import { connectTo } from "../support/trpcClient.ts";

const holdMs = 2_500;
const later = (id: string, changes: Readonly<Record<string, unknown>> = {}) =>
  userEvent(clerkUser(id, { updated_at: startMs + 5_000, first_name: "Rita", ...changes }));

/** `event` once every 300 ms beside other users' deliveries; it is 503 each time, and applied once the lock is gone. */
async function expectOnlyIts(
  t: TestApp,
  lock: (tx: TransactionSql) => PromiseLike<unknown>,
  event: unknown,
  svixId: string,
): Promise<void> {
  await whileLocked(t, lock, async () => {
    const load = startSteadyLoad(t, { perSecond: 30 });
    const endsAtMs = Date.now() + holdMs;
    while (Date.now() < endsAtMs) {
      const answer = await t.deliver(event, { svixId });
      expect([answer.status, answer.said, Number(answer.headers.get("retry-after")) > 0]).toEqual([
        503,
        "unavailable",
        true,
      ]);
      await Bun.sleep(300);
    }
    expectUndelayed(await load.stop());
  });
}

async function openWithUser(id: string): Promise<TestApp> {
  const t = await openForTest(openTestApp());
  expect((await t.deliver(userEvent(clerkUser(id)), { svixId: "msg_first" })).said).toBe("applied");
  return t;
}

test("a user's row locked by another program delays no other user, and the user's own delivery is 503", async () => {
  const t = await openWithUser("user_Held");
  const lock = (tx: TransactionSql) => tx`select from users where clerk_id = 'user_Held' for update`;
  await expectOnlyIts(t, lock, later("user_Held"), "msg_held");
  expect(await t.findEvent("msg_held")).toBeUndefined();
  expect((await t.deliver(later("user_Held"), { svixId: "msg_held" })).said).toBe("applied");
  expect(await t.findUser("user_Held")).toMatchObject({ name: "Rita Souza" });
});

test("a deletion of a user whose row or mentorado is locked delays no other user", async () => {
  for (const table of ["users", "mentorados"]) {
    const t = await openWithUser("user_Goes");
    await expectOnlyIts(t, (tx) => tx`select from ${tx(table)} for update`, deletedEvent("user_Goes"), "msg_goes");
    expect((await t.deliver(deletedEvent("user_Goes"), { svixId: "msg_goes" })).said).toBe("applied");
    expect((await t.sql`select user_id from mentorados where email = 'goes@example.com'`)[0]).toEqual({
      user_id: null,
    });
  }
});

test("a locked mentorado that a user is to be linked to delays no other user", async () => {
  const t = await openForTest(openTestApp());
  await t.sql`insert into mentorados (nome_completo, email, turma) values ('Ana', 'waits@example.com', 'neon_escala')`;
  const lock = (tx: TransactionSql) => tx`update mentorados set foto_url = 'x'`;
  await expectOnlyIts(t, lock, userEvent(clerkUser("user_Waits")), "msg_waits");
  expect(await t.findUser("user_Waits")).toBeUndefined();
  expect((await t.deliver(userEvent(clerkUser("user_Waits")), { svixId: "msg_waits" })).said).toBe("applied");
  expect(await t.sql`select user_id from mentorados where email = 'waits@example.com'`).toMatchObject([
    { user_id: expect.any(Number) as number },
  ]);
});

test("a locked mentorado does not delay the deliveries of its user, who keeps it", async () => {
  const t = await openWithUser("user_Keeps");
  await whileLocked(
    t,
    (tx) => tx`select from mentorados for update`,
    async () => expect((await t.deliver(later("user_Keeps"))).said).toBe("applied"),
  );
});

test("a locked mentorado that would go to another user delays only the change that leaves its address", async () => {
  const t = await openWithUser("user_Before");
  await t.deliver(userEvent(clerkUser("user_After", { email: "before@example.com" })));
  await t.sql`update mentorados set user_id = null`;
  const lock = (tx: TransactionSql) => tx`select from mentorados for update`;
  await whileLocked(t, lock, async () => {
    expect((await t.deliver(deletedEvent("user_Before"), { svixId: "msg_leaves" })).said).toBe("unavailable");
  });
  expect((await t.deliver(deletedEvent("user_Before"), { svixId: "msg_leaves" })).said).toBe("applied");
  const [row] = await t.sql`select u.clerk_id from mentorados m join users u on u.id = m.user_id`;
  expect(row).toEqual({ clerk_id: "user_After" });
});

test("a locked row of the ledger delays no other delivery, and its own delivery is 503", async () => {
  const t = await openWithUser("user_Ledger");
  const lock = (tx: TransactionSql) => tx`select from webhook_events where svix_id = 'msg_first' for update`;
  await expectOnlyIts(t, lock, userEvent(clerkUser("user_Ledger")), "msg_first");
  expect((await t.deliver(userEvent(clerkUser("user_Ledger")), { svixId: "msg_first" })).said).toBe("duplicate");
});

test("a user whom another program is inserting delays no other user", async () => {
  const t = await openForTest(openTestApp());
  const insert = (tx: TransactionSql) => tx`insert into users (clerk_id, name) values ('user_Twice', 'Theirs')`;
  await expectOnlyIts(t, insert, later("user_Twice"), "msg_twice");
  expect((await t.deliver(later("user_Twice"), { svixId: "msg_twice" })).said).toBe("applied");
});

test("with a tenth of all rows locked the other users' deliveries are answered 200 within a second", async () => {
  const t = await openForTest(openTestApp());
  const ids = Array.from({ length: 40 }, (_, n) => `user_Tenth${n}`);
  await Promise.all(ids.map((id) => t.deliver(userEvent(clerkUser(id)))));
  const isLocked = (id: string) => id.endsWith("7");
  await whileLocked(
    t,
    (tx) => tx`select from users where clerk_id like '%7' for update`,
    async () => {
      const load = startSteadyLoad(t, { perSecond: 60, existing: ids });
      await Bun.sleep(holdMs);
      const answers = await load.stop();
      const locked = answers.filter(({ clerkId }) => ids.includes(clerkId) && isLocked(clerkId));
      expect(locked.map(({ status }) => status)).toEqual(locked.map(() => 503));
      expectUndelayed(answers.filter((answer) => !locked.includes(answer)));
    },
  );
});

test("a re-sync, a dry run and a decision about a locked user are unavailable at once, and work after it", async () => {
  const user = clerkUser("user_Asked", { updated_at: startMs + 5_000 });
  const t = await openForTest(openTestApp({ clerk: createFixedClerk([user]) }));
  await t.deliver(userEvent(clerkUser("user_Asked")));
  const client = connectTo(t, testAdminToken);
  const { mentorado } = await client.sync.user.query({ clerkId: user.id });
  const calls = [
    () => client.sync.resync.mutate({ clerkId: user.id, dryRun: true }),
    () => client.sync.resync.mutate({ clerkId: user.id }),
    () => client.links.unlink.mutate({ mentoradoId: mentorado?.id ?? 0 }),
  ];
  const lock = (tx: TransactionSql) => tx`select from users for update`;
  await whileLocked(t, lock, async () => {
    for (const call of calls) {
      const startedMs = performance.now();
      const error = await call().catch((e: unknown) => e);
      expect(error).toMatchObject({ data: { code: "SERVICE_UNAVAILABLE" } });
      expect(performance.now() - startedMs).toBeLessThan(1_000);
    }
  });
  for (const call of calls) await call();
});

test("a table that another program locks costs every delivery a second at most, and nothing is lost", async () => {
  const t = await openForTest(openTestApp());
  const events = Array.from({ length: 40 }, (_, n) => userEvent(clerkUser(`user_Table${n}`)));
  const deliverAll = () => Promise.all(events.map((event, n) => t.deliver(event, { svixId: `msg_table_${n}` })));
  for (const mode of ["share", "access exclusive"]) {
    await whileLocked(
      t,
      (tx) => tx.unsafe(`lock table users in ${mode} mode`),
      async () => {
        const startedMs = performance.now();
        expect(new Set((await deliverAll()).map(({ status }) => status))).toEqual(new Set([503]));
        expect(performance.now() - startedMs).toBeLessThan(2_000);
      },
    );
    await Bun.sleep(1_100);
  }
  expect(new Set((await deliverAll()).map(({ said }) => said))).toEqual(new Set(["applied"]));
});
