import { expect, test } from "bun:test";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { createFixedClerk, openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

const atClerk = [clerkUser("user_Revived", { updated_at: startMs + 999_999 })];
const t = openForFile(() => openTestApp({ clerk: createFixedClerk(atClerk), app: { clerkInstanceId: "ins_1" } }));

const payloadsOf = (clerkId: string) =>
  t.sql`select svix_id from webhook_events where clerk_id = ${clerkId} and payload is not null`;

test("a user deleted before the first event stays deleted, and later events leave no payload", async () => {
  const id = "user_NeverSeen";
  expect((await t.deliver(deletedEvent(id))).said).toBe("applied");
  expect((await t.deliver(userEvent(clerkUser(id), { type: "user.created" }))).said).toBe("stale");
  expect((await t.deliver(userEvent(clerkUser(id, { updated_at: startMs + 999_999_999 })))).said).toBe("stale");
  expect(await t.findUser(id)).toMatchObject({ email: null, raw_json: null, deleted_at: new Date(startMs + 60_000) });
  expect(await t.sql`select from mentorados where email = 'neverseen@example.com'`).toBeEmpty();
  expect(await payloadsOf(id)).toBeEmpty();
});

test("a second deletion is unchanged; the earlier deletion time is kept, in either order", async () => {
  for (const [id, times] of [
    ["user_TwiceA", [1000, 2000]],
    ["user_TwiceB", [2000, 1000]],
  ] as const) {
    const said = [];
    for (const afterMs of times) said.push((await t.deliver(deletedEvent(id, startMs + afterMs))).said);
    expect(said).toEqual(["applied", "unchanged"]);
    expect((await t.findUser(id))?.["deleted_at"]).toEqual(new Date(startMs + 1000));
  }
});

test("an answer of the Backend API does not bring a deleted user back", async () => {
  await t.deliver(deletedEvent("user_Revived"));
  expect(await t.services.users.resync({ clerkId: "user_Revived" })).toMatchObject({ outcome: "stale", changed: [] });
  expect(await t.findUser("user_Revived")).toMatchObject({ name: null, sync_source: "webhook" });
});

test("events that were ignored, dead or about a payment are erased with the user they are about", async () => {
  const id = "user_Everywhere";
  const personal = { email: "everywhere@example.com" };
  const texts = [
    { type: "session.created", data: { id: "sess_1", user_id: id, ...personal } },
    { type: "paymentAttempt.created", data: { id: "pa_1", payer: { user_id: id, ...personal } } },
    {
      type: "organizationMembership.created",
      data: { id: "orgmem_1", public_user_data: { user_id: id, ...personal } },
    },
    { data: { id, ...personal } },
    userEvent(clerkUser(id), { instance_id: "ins_other" }),
  ];
  for (const [place, text] of texts.entries()) await t.deliver(text, { svixId: `msg_before_${place}` });
  expect(await payloadsOf(id)).toHaveLength(texts.length);
  await t.deliver(deletedEvent(id));
  for (const [place, text] of texts.entries()) await t.deliver(text, { svixId: `msg_after_${place}` });
  expect(await payloadsOf(id)).toBeEmpty();
  expect(await t.sql`select from webhook_events where payload like '%everywhere@example.com%'`).toBeEmpty();
});

test("the payload of another event type is erased with the one user whom it names; one that names several is not kept", async () => {
  const organization = { id: "org_1", name: "Widow's school", created_by: "user_Founder" };
  const membership = {
    id: "orgmem_2",
    organization,
    public_user_data: { user_id: "user_Member", identifier: "m@r.io" },
  };
  await t.deliver({ type: "organization.created", data: organization }, { svixId: "msg_founded" });
  await t.deliver({ type: "organizationMembership.created", data: membership }, { svixId: "msg_joined" });
  expect(await t.findEvent("msg_founded")).toMatchObject({ clerk_id: "user_Founder", outcome: "ignored" });
  expect((await t.findEvent("msg_founded"))?.["payload"]).toContain("Widow's school");
  expect(await t.findEvent("msg_joined")).toMatchObject({ clerk_id: "user_Member", outcome: "ignored", payload: null });
  await t.deliver(deletedEvent("user_Founder"));
  expect(await t.sql`select from webhook_events where payload like '%Widow%'`).toBeEmpty();
});

test("a deletion of another instance deletes no user here", async () => {
  await t.deliver(userEvent(clerkUser("user_Ours")));
  const foreign = { ...deletedEvent("user_Ours"), instance_id: "ins_other" };
  expect((await t.deliver(foreign)).said).toBe("ignored");
  expect(await t.findUser("user_Ours")).toMatchObject({ deleted_at: null, email: "ours@example.com" });
});

test("a mentorado that an operator gave to another user is not released by its former user's deletion", async () => {
  await t.deliver(userEvent(clerkUser("user_Former")));
  const { mentorado } = await t.services.users.getUser("user_Former");
  const mentoradoId = mentorado?.id ?? 0;
  await t.services.links.unlink({ mentoradoId, actor: "operator:test" });
  await t.deliver(userEvent(clerkUser("user_Heir")));
  await t.services.links.resolve({ clerkId: "user_Heir", mentoradoId, actor: "operator:test" });
  await t.deliver(deletedEvent("user_Former"));
  expect((await t.services.users.getUser("user_Heir")).mentorado?.id).toBe(mentoradoId);
});

test("a mentorado that was given back to a deleted user can be given to an active one", async () => {
  await t.deliver(userEvent(clerkUser("user_Ghost")));
  const { mentorado, user } = await t.services.users.getUser("user_Ghost");
  const mentoradoId = mentorado?.id ?? 0;
  await t.deliver(deletedEvent("user_Ghost"));
  await t.sql`update mentorados set user_id = ${user?.id ?? 0} where id = ${mentoradoId}`;
  await t.deliver(userEvent(clerkUser("user_Living", { email: "ghost@example.com" })));
  expect((await t.services.users.getUser("user_Living")).link).toBe("conflict");
  await t.services.links.resolve({ clerkId: "user_Living", mentoradoId, actor: "operator:test" });
  expect((await t.services.users.getUser("user_Living")).mentorado?.id).toBe(mentoradoId);
});

test("a user.deleted without a usable user id is dead at every delivery, and its exact text is kept", async () => {
  for (const data of [{}, { id: null }, { id: "" }, { id: `user_${"a".repeat(61)}` }, { id: "sess_1" }, "gone"]) {
    const body = JSON.stringify({ type: "user.deleted", data });
    for (const attempts of [1, 2]) {
      const answer = await t.deliver(body, { svixId: `msg_nobody_${body.length}` });
      expect([answer.status, answer.said]).toEqual([422, "invalid_event"]);
      const [row] = await t.sql`select * from webhook_events where svix_id = ${`msg_nobody_${body.length}`}`;
      expect(row).toMatchObject({ outcome: "dead", error_code: "no_user_id", payload: body, clerk_id: null, attempts });
    }
  }
});

test.each([
  ["the address", "new.email := coalesce(new.email, old.email);", "email is not null"],
  ["the name", "new.name := coalesce(new.name, old.name);", "name is not null"],
  ["deleted_at at null", "new.deleted_at := old.deleted_at;", "deleted_at is null"],
])(
  "a deletion of which a trigger keeps %s is refused by that trigger's name, and applied without it",
  async (name, body, kept) => {
    const id = `user_Keeps${name.replaceAll(/[^a-z]/g, "")}`;
    const countKept = async () =>
      (await t.sql`select from users where clerk_id = ${id} and ${t.sql.unsafe(kept)}`).length;
    await t.deliver(userEvent(clerkUser(id)));
    await t.sql.unsafe(`create function keep() returns trigger language plpgsql as $$ begin ${body} return new; end $$;
    create trigger keep before update on users for each row execute function keep()`);
    const svixId = `msg_${id}`;
    try {
      expect((await t.deliver(deletedEvent(id), { svixId })).said).toBe("refused");
      expect(await t.findEvent(svixId)).toMatchObject({ outcome: "dead", error_detail: "keep" });
    } finally {
      await t.sql`drop function keep() cascade`;
    }
    expect((await t.deliver(deletedEvent(id), { svixId })).said).toBe("applied");
    expect(await countKept()).toBe(0);
  },
);

test("a deletion is applied although a trigger writes a placeholder for the name", async () => {
  await t.deliver(userEvent(clerkUser("user_Placeholder")));
  await t.sql.unsafe(`create function fill() returns trigger language plpgsql
      as $$ begin new.name := coalesce(new.name, '(gone)'); return new; end $$;
    create trigger fill before update on users for each row execute function fill()`);
  try {
    expect((await t.deliver(deletedEvent("user_Placeholder"))).said).toBe("applied");
  } finally {
    await t.sql`drop function fill() cascade`;
  }
  expect(await t.findUser("user_Placeholder")).toMatchObject({ name: "(gone)", email: null });
});
