import { expect, test } from "bun:test";
import { createFixedClerk, openTestApp, testAdminToken } from "../support/testApp.ts";
import { openForFile, openForTest } from "../support/toClose.ts";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { connectTo } from "../support/trpcClient.ts";

const t = openForFile(() => openTestApp());
const client = connectTo(t, testAdminToken);

async function withRule<T>(add: string, remove: string, work: () => Promise<T>): Promise<T> {
  await t.sql.unsafe(add);
  try {
    return await work();
  } finally {
    await t.sql.unsafe(remove);
  }
}

const trigger = (body: string, table = "users") => `
  create function team_rule() returns trigger language plpgsql as $$ begin ${body} return new; end $$;
  create trigger team_rule before insert or update on ${table} for each row execute function team_rule()`;
const noTrigger = "drop function team_rule() cascade";

test.each<[string, { add: string; remove: string; email?: string; rule: string }]>([
  [
    "a unique e-mail",
    {
      add: `insert into users (clerk_id, email) values ('legacy_1', 'taken@example.com');
            create unique index users_email_team on users (email)`,
      remove: "drop index users_email_team",
      email: "taken@example.com",
      rule: "users_email_team",
    },
  ],
  [
    "a check",
    {
      add: "alter table users add constraint short_names check (name is null or length(name) < 3) not valid",
      remove: "alter table users drop constraint short_names",
      rule: "short_names",
    },
  ],
  [
    "a deferred constraint",
    {
      add: `create table school (email text primary key);
            alter table mentorados add constraint in_school foreign key (email) references school deferrable initially deferred not valid`,
      remove: "drop table school cascade",
      rule: "in_school",
    },
  ],
  ["a trigger that raises", { add: trigger("raise exception 'no';"), remove: noTrigger, rule: "team_rule" }],
  [
    "a trigger that raises with a SQLSTATE of its own",
    { add: trigger("raise sqlstate 'ESTOP';"), remove: noTrigger, rule: "team_rule" },
  ],
  [
    "a trigger that raises with Postgres' code for a connection",
    { add: trigger("raise sqlstate '08006';"), remove: noTrigger, rule: "team_rule" },
  ],
  [
    "a trigger that raises with Postgres' code for a lock",
    { add: trigger("raise sqlstate '55P03';"), remove: noTrigger, rule: "team_rule" },
  ],
  [
    "a column of another type",
    {
      add: "create type way as enum ('email'); alter table users alter login_method type way using null",
      remove: "alter table users alter login_method type varchar(64)",
      rule: "login_method",
    },
  ],
  ["a trigger that swallows the row", { add: trigger("return null;"), remove: noTrigger, rule: "team_rule" }],
  [
    "a trigger that swallows the mentorado",
    { add: trigger("return null;", "mentorados"), remove: noTrigger, rule: "team_rule" },
  ],
  [
    "a trigger whose table is not there",
    { add: trigger("insert into team_audit values (1);"), remove: noTrigger, rule: "team_rule" },
  ],
  [
    "a sequence that is used up",
    {
      add: "alter sequence users_id_seq maxvalue 1000; select setval('users_id_seq', 1000)",
      remove: "alter sequence users_id_seq maxvalue 2147483647",
      rule: "users_id_seq",
    },
  ],
  [
    "a column without a default",
    {
      add: "alter table mentorados add cpf text; alter table mentorados add constraint cpf_given check (cpf is not null) not valid",
      remove: "alter table mentorados drop cpf",
      rule: "cpf_given",
    },
  ],
])(
  "what %s refuses is 503 refused, kept with the name of the rule, and applied once it is gone",
  async (name, rule) => {
    const id = `user_R${name.replaceAll(/[^a-z]/gi, "").slice(0, 50)}`;
    const event = userEvent(clerkUser(id, rule.email === undefined ? {} : { email: rule.email }));
    const svixId = `msg_${id}`;
    await withRule(rule.add, rule.remove, async () => {
      const { dead } = (await client.sync.status.query()).events;
      const answer = await t.deliver(event, { svixId });
      expect([answer.status, answer.said]).toEqual([503, "refused"]);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(answer.headers.get("webhook-delivery")).toBeNull();
      const listed = (await client.events.list.query({ clerkId: id })).items;
      expect(listed).toMatchObject([{ svixId, outcome: "dead", errorCode: "refused", errorDetail: rule.rule }]);
      expect(await client.events.get.query({ svixId })).toMatchObject({ errorDetail: rule.rule, attempts: 1 });
      expect((await client.sync.status.query()).events.dead).toBe(dead + 1);
      expect((await t.deliver(event, { svixId })).said).toBe("refused");
      expect(await client.events.get.query({ svixId })).toMatchObject({ outcome: "dead", attempts: 2 });
      const replayed = client.events.replay.mutate({ svixId });
      expect(await replayed.catch((error: { data: { code: string }; message: string }) => error)).toMatchObject({
        data: { code: "CONFLICT" },
        message: expect.stringContaining(rule.rule) as string,
      });
      expect((await client.sync.status.query()).events.dead).toBe(dead + 1);
    });
    expect((await t.deliver(event, { svixId })).said).toBe("applied");
    const settled = await client.events.get.query({ svixId });
    expect(settled).toMatchObject({ outcome: "applied", errorCode: null, errorDetail: null, attempts: 3 });
    expect(await client.sync.user.query({ clerkId: id })).toMatchObject({ state: "synced", link: "linked" });
  },
);

test("a refused event becomes stale when its user is stored at its version or a later one, and not before", async () => {
  const version = (updated_at: number) => userEvent(clerkUser("user_Overtaken", { updated_at, first_name: "Rita" }));
  const outcomeOf = async () => (await t.findEvent("msg_overtaken"))?.["outcome"] as unknown;
  const rule = [
    "alter table users add constraint no_rita check (name not like 'Rita%')",
    "alter table users drop constraint no_rita",
  ];
  const before = (await client.sync.status.query()).events;
  await withRule(rule[0] ?? "", rule[1] ?? "", async () => {
    expect((await t.deliver(version(startMs + 2_000), { svixId: "msg_overtaken" })).said).toBe("refused");
  });
  await t.deliver(version(startMs + 1_000));
  expect(await outcomeOf()).toBe("dead");
  await t.deliver(version(startMs + 3_000));
  expect(await outcomeOf()).toBe("stale");
  const { events } = await client.sync.status.query();
  expect([events.dead - before.dead, events.stale - before.stale]).toEqual([0, 1]);
  expect((await t.deliver(version(startMs + 2_000), { svixId: "msg_overtaken" })).said).toBe("duplicate");
});

test("a refused event of a user who is deleted becomes stale, and its payload is erased", async () => {
  await withRule(
    "alter table users add constraint no_one check (name is null) not valid",
    "alter table users drop constraint no_one",
    () => t.deliver(userEvent(clerkUser("user_Leaves")), { svixId: "msg_leaves" }),
  );
  await t.deliver(deletedEvent("user_Leaves"));
  expect(await t.findEvent("msg_leaves")).toMatchObject({ outcome: "stale", payload: null });
});

test("an address that one user leaves is taken by the next, whichever event comes first", async () => {
  await withRule(
    "create unique index one_address on users (email) where email = 'moves@example.com'",
    "drop index one_address",
    async () => {
      await t.deliver(userEvent(clerkUser("user_MovesA", { email: "moves@example.com" })));
      const next = userEvent(clerkUser("user_MovesB", { email: "moves@example.com" }));
      expect((await t.deliver(next, { svixId: "msg_moves_b" })).said).toBe("refused");
      expect((await t.deliver(deletedEvent("user_MovesA"))).said).toBe("applied");
      expect((await t.deliver(next, { svixId: "msg_moves_b" })).said).toBe("applied");
      expect(await client.sync.user.query({ clerkId: "user_MovesB" })).toMatchObject({ link: "linked" });
    },
  );
});

test("a re-sync, a link decision and a run name the rule that refuses, and succeed without it", async () => {
  const user = clerkUser("user_Again");
  const own = await openForTest(openTestApp({ clerk: createFixedClerk([user]) }));
  const caller = connectTo(own, testAdminToken);
  await own.sql`alter table users add constraint team_check check (name is null)`;
  const refused = await caller.sync.resync.mutate({ clerkId: user.id }).catch((error: unknown) => error);
  expect(refused).toMatchObject({
    data: { code: "CONFLICT" },
    message: expect.stringContaining("team_check") as string,
  });
  const { runId } = await caller.runs.start.mutate({ kind: "backfill" });
  await own.services.runs.waitFor(runId);
  expect(await caller.runs.get.query({ runId })).toMatchObject({
    status: "failed",
    error: expect.stringContaining(user.id) as string,
  });
  await own.sql`alter table users drop constraint team_check`;
  expect((await caller.sync.resync.mutate({ clerkId: user.id })).outcome).toBe("applied");
  const { mentorado } = await caller.sync.user.query({ clerkId: user.id });
  await own.sql`alter table mentorados add constraint always_owned check (user_id is not null)`;
  const unlink = await caller.links.unlink.mutate({ mentoradoId: mentorado?.id ?? 0 }).catch((error: unknown) => error);
  expect(unlink).toMatchObject({
    data: { code: "CONFLICT" },
    message: expect.stringContaining("always_owned") as string,
  });
});
