import { expect, setDefaultTimeout, test } from "bun:test";
import { clerkUser, userEvent } from "../support/events.ts";
import { openTcpProxy } from "../support/proxy.ts";
import { openTestApp } from "../support/testApp.ts";
import { testServerUrl } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

// Real servers on a machine that may be busy.
setDefaultTimeout(30_000);

/** As in userService: what may wait, and what two batches take at once. */
const queueItemsMax = 5_000;
const inFlightMax = 2 * 500;

test("a full queue answers 503 at once, queued changes within 10 s, and the memory is released", async () => {
  const { port } = new URL(await testServerUrl());
  const proxy = await openForTest(openTcpProxy({ targetPort: Number(port) }));
  const t = await openForTest(openTestApp({ databaseUrl: (url) => proxy.urlFor(url) }));
  expect((await t.deliver(userEvent(clerkUser("user_First")))).said).toBe("applied");
  await proxy.setMode("hang");
  const answers = await Promise.all(
    Array.from({ length: queueItemsMax + inFlightMax + 500 }, async (_, place) => {
      const startedAtMs = Date.now();
      const { status, said, headers } = await t.deliver(userEvent(clerkUser(`user_Queued${place}`)));
      return { status, said, retryAfter: headers.get("retry-after"), ms: Date.now() - startedAtMs };
    }),
  );
  expect(new Set(answers.map(({ status, said }) => `${status} ${said}`))).toEqual(new Set(["503 unavailable"]));
  expect(answers.every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true);
  // Those beyond the queue did not wait for the database, whose two tries take 7 s.
  expect(answers.filter(({ ms }) => ms < 6_000).length).toBeGreaterThanOrEqual(400);
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(10_000);
  expect(t.services.users.queueItems()).toBe(0);
  await proxy.setMode("pass");
  const backAtMs = Date.now();
  while ((await t.deliver(userEvent(clerkUser("user_Back")))).status !== 200) {
    expect(Date.now() - backAtMs).toBeLessThan(5_000);
    await Bun.sleep(50);
  }
}, 40_000);

test("changes that a rule of the database refuses fail alone; the others of their batch are applied", async () => {
  const t = await openForTest(openTestApp());
  await t.sql.unsafe(`
      create function refuse() returns trigger language plpgsql as $$
      begin if new.name like 'Poison%' then raise exception 'no'; end if; return new; end $$;
      create trigger refuse before insert or update on users for each row execute function refuse()`);
  const isPoison = (place: number) => place % 40 === 7;
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, place) =>
      t.deliver(userEvent(clerkUser(`user_Batch${place}`, { first_name: isPoison(place) ? "Poison" : "Fine" })), {
        svixId: `msg_batch_${place}`,
      }),
    ),
  );
  const wanted = answers.map((_, place) => (isPoison(place) ? "503 refused" : "200 applied"));
  expect(answers.map(({ status, said }) => `${status} ${said}`)).toEqual(wanted);
  const dead = await t.sql`select error_code, error_detail from webhook_events where outcome = 'dead'`;
  expect(dead.map((row) => [row["error_code"], row["error_detail"]])).toEqual(
    Array.from({ length: 5 }, () => ["refused", "refuse"]),
  );
  expect(await t.sql`select from users`).toHaveLength(195);
});

test("a delivery that even the ledger refuses is 503, and is applied when it is retried", async () => {
  const t = await openForTest(openTestApp());
  await t.sql.unsafe(`
      create function full_up() returns trigger language plpgsql as $$ begin raise exception 'full'; end $$;
      create trigger full_up before insert on webhook_events for each row execute function full_up()`);
  const event = userEvent(clerkUser("user_Refused"));
  const refused = await t.deliver(event, { svixId: "msg_refused" });
  expect([refused.status, refused.said]).toEqual([503, "unavailable"]);
  expect(refused.headers.get("retry-after")).not.toBeNull();
  expect(refused.headers.get("webhook-delivery")).toBeNull();
  await t.sql`drop trigger full_up on webhook_events`;
  expect((await t.deliver(event, { svixId: "msg_refused" })).said).toBe("applied");
});
