import { expect, test } from "bun:test";
import { clerkUser, startMs, userEvent } from "../support/events.ts";
import { createFixedClerk, openTestApp, testAdminToken } from "../support/testApp.ts";
import { codeOf, connectTo } from "../support/trpcClient.ts";
import { openForFile } from "../support/toClose.ts";

const atClerk = [
  clerkUser("user_AtClerk"),
  clerkUser("user_Fresh", { first_name: "Fresh", updated_at: startMs + 5000 }),
];
const t = openForFile(() => openTestApp({ clerk: createFixedClerk(atClerk) }));
const client = connectTo(t, testAdminToken);

test("the ledger is listed newest first, by filter and by page; a bad filter or cursor is BAD_REQUEST", async () => {
  for (const n of [1, 2, 3]) {
    await t.deliver({ type: "x.y", data: { user_id: "user_Listed" } }, { svixId: `msg_list_${n}` });
    await Bun.sleep(2);
  }
  const first = await client.events.list.query({ clerkId: "user_Listed", limit: 2 });
  expect(first.items.map((item) => item.svixId)).toEqual(["msg_list_3", "msg_list_2"]);
  const second = await client.events.list.query({ clerkId: "user_Listed", limit: 2, cursor: first.nextCursor ?? "" });
  expect(second).toMatchObject({ items: [{ svixId: "msg_list_1", outcome: "ignored" }], nextCursor: null });
  expect(await codeOf(client.events.list.query({ outcome: "duplicate" as "dead" }))).toBe("BAD_REQUEST");
  for (const cursor of ["", "zzz", Buffer.from('{"receivedAt":"now"}').toString("base64url")]) {
    expect(await codeOf(client.events.list.query({ cursor }))).toBe("BAD_REQUEST");
  }
});

test("a cursor that Postgres cannot hold is BAD_REQUEST, and such an id NOT_FOUND", async () => {
  const toCursor = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const receivedAt = new Date(startMs).toISOString();
  const yearZero = "0000-01-01T00:00:00Z";
  const calls = [
    client.events.list.query({ cursor: toCursor({ receivedAt, svixId: "\0" }) }),
    client.events.list.query({ cursor: toCursor({ receivedAt: yearZero, svixId: "msg_1" }) }),
    client.runs.list.query({ cursor: toCursor({ startedAt: yearZero, runId: crypto.randomUUID() }) }),
    client.links.conflicts.query({ cursor: toCursor(2 ** 53) }),
    client.links.conflicts.query({ cursor: toCursor(-1) }),
  ];
  for (const call of calls) expect(await codeOf(call)).toBe("BAD_REQUEST");
  expect(await codeOf(client.events.get.query({ svixId: "msg\0" }))).toBe("NOT_FOUND");
  expect(await codeOf(client.events.replay.mutate({ svixId: "msg\0" }))).toBe("NOT_FOUND");
});

test("an impossible id is NOT_FOUND, like any unknown one", async () => {
  await t.deliver(userEvent(clerkUser("user_WithMentorado")));
  const codes = await Promise.all([
    codeOf(client.events.get.query({ svixId: "m".repeat(5_000) })),
    codeOf(client.runs.get.query({ runId: "r".repeat(5_000) })),
    codeOf(client.runs.cancel.mutate({ runId: "r" })),
    codeOf(client.links.resolve.mutate({ clerkId: "user_WithMentorado", mentoradoId: 2 ** 31 })),
    ...[0, -1, 2 ** 31, Number.MAX_SAFE_INTEGER].map((mentoradoId) =>
      codeOf(client.links.unlink.mutate({ mentoradoId })),
    ),
  ]);
  expect(new Set(codes)).toEqual(new Set(["NOT_FOUND"]));
  expect(await codeOf(client.links.unlink.mutate({ mentoradoId: 1.5 }))).toBe("BAD_REQUEST");
});

test("an ignored event that a replay applies has its new outcome in ledger and figures", async () => {
  const svixId = "msg_ignored";
  await t.deliver({ type: "x.y" }, { svixId });
  const before = await client.sync.status.query();
  expect(await client.events.replay.mutate({ svixId })).toEqual({ svixId, outcome: "ignored" });
  expect((await client.sync.status.query()).events).toEqual(before.events);
  // As if CLERK_INSTANCE_ID had been mended meanwhile.
  await t.sql`update webhook_events set payload = ${JSON.stringify(userEvent(clerkUser("user_Noticed")))} where svix_id = ${svixId}`;
  expect(await client.events.replay.mutate({ svixId })).toEqual({ svixId, outcome: "applied" });
  expect(await client.events.get.query({ svixId })).toMatchObject({ outcome: "applied", clerkId: "user_Noticed" });
  const { events } = await client.sync.status.query();
  expect([events.ignored - before.events.ignored, events.applied - before.events.applied]).toEqual([-1, 1]);
  // A redelivery is a redelivery again.
  expect((await t.deliver({ type: "x.y" }, { svixId })).said).toBe("duplicate");
});

test("an event is shown with its payload; a dead one is settled by a replay, or stays dead", async () => {
  await t.deliver("nope", { svixId: "msg_dead" });
  expect(await client.events.get.query({ svixId: "msg_dead" })).toMatchObject({
    outcome: "dead",
    errorCode: "not_json",
    payload: "nope",
  });
  expect(await client.events.replay.mutate({ svixId: "msg_dead" })).toEqual({ svixId: "msg_dead", outcome: "dead" });
  const before = await client.sync.status.query();
  // As if the cause had been mended meanwhile.
  await t.sql`update webhook_events set payload = ${JSON.stringify(userEvent(clerkUser("user_Mended")))} where svix_id = 'msg_dead'`;
  expect(await client.events.replay.mutate({ svixId: "msg_dead" })).toEqual({ svixId: "msg_dead", outcome: "applied" });
  expect(await client.events.get.query({ svixId: "msg_dead" })).toMatchObject({
    outcome: "applied",
    errorCode: null,
    clerkId: "user_Mended",
  });
  const after = await client.sync.status.query();
  expect([after.events.dead - before.events.dead, after.events.applied - before.events.applied]).toEqual([-1, 1]);
  expect(await codeOf(client.events.get.query({ svixId: "msg_no" }))).toBe("NOT_FOUND");
  expect(await codeOf(client.events.replay.mutate({ svixId: "msg_no" }))).toBe("NOT_FOUND");
});

test("a conflict is listed with its candidates and settled; an unlink sticks until resolved", async () => {
  const ids = await t.sql<{ id: number }[]>`
    insert into mentorados (nome_completo, email, turma) values ('One', 'two@example.com', 'neon_escala'), ('Two', 'TWO@example.com', 'neon_escala') returning id`;
  const [one = 0, two = 0] = ids.map((row) => row.id);
  const clerkId = "user_Two";
  await t.deliver(userEvent(clerkUser(clerkId)));
  const { items } = await client.links.conflicts.query();
  expect(items.find((item) => item.clerkId === clerkId)).toEqual({
    clerkId,
    email: "two@example.com",
    candidates: [
      { id: one, nomeCompleto: "One", email: "two@example.com", userId: null },
      { id: two, nomeCompleto: "Two", email: "TWO@example.com", userId: null },
    ],
  });
  expect(await client.links.resolve.mutate({ clerkId, mentoradoId: two })).toMatchObject({
    clerkId,
    mentoradoId: two,
    link: "linked",
  });
  await t.deliver(userEvent(clerkUser("user_Rival")));
  expect(await codeOf(client.links.resolve.mutate({ clerkId: "user_Rival", mentoradoId: two }))).toBe("CONFLICT");
  expect(await codeOf(client.links.resolve.mutate({ clerkId: "user_Nobody", mentoradoId: one }))).toBe("NOT_FOUND");
  expect(await codeOf(client.links.resolve.mutate({ clerkId, mentoradoId: 2_000_000_000 }))).toBe("NOT_FOUND");

  await t.sql`delete from mentorados where id = ${one}`;
  expect(await client.links.unlink.mutate({ mentoradoId: two })).toEqual({ mentoradoId: two, clerkId });
  await t.deliver(userEvent(clerkUser(clerkId, { updated_at: startMs + 9000, first_name: "Later" })));
  expect(await client.sync.user.query({ clerkId })).toMatchObject({
    link: "conflict",
    mentorado: null,
    user: { name: "Later Souza" },
  });
  await client.links.resolve.mutate({ clerkId, mentoradoId: two });
  expect((await client.sync.user.query({ clerkId })).link).toBe("linked");
  const trail = await t.sql`select action, actor from mentorado_links where clerk_id = ${clerkId} order by id`;
  expect(trail.map((row) => `${row["action"]} ${row["actor"]}`)).toEqual([
    "resolved operator:token",
    "unlinked operator:token",
    "resolved operator:token",
  ]);
  expect(await codeOf(client.links.unlink.mutate({ mentoradoId: 2_000_000_000 }))).toBe("NOT_FOUND");
});

test.each([
  ["mentorados", "return null"],
  ["mentorados", "new.user_id := old.user_id; return new"],
  ["users", "new.link_held_at := old.link_held_at; return new"],
])("an operator's decision that a trigger on %s undoes (%s) is CONFLICT, naming it", async (table, body) => {
  const clerkId = `user_Undone${table}${body.length}`;
  await t.deliver(userEvent(clerkUser(clerkId)));
  const mentoradoId = (await client.sync.user.query({ clerkId })).mentorado?.id ?? 0;
  const decideWithTrigger = async (work: () => Promise<unknown>) => {
    await t.sql.unsafe(`
      create function undo() returns trigger language plpgsql as $$ begin ${body}; end $$;
      create trigger undo before update on ${table} for each row execute function undo()`);
    const code = await codeOf(work());
    await t.sql`drop function undo cascade`;
    return code;
  };
  expect(await decideWithTrigger(() => client.links.unlink.mutate({ mentoradoId }))).toBe("CONFLICT");
  expect((await client.sync.user.query({ clerkId })).link).toBe("linked");
  await client.links.unlink.mutate({ mentoradoId });
  expect(await decideWithTrigger(() => client.links.resolve.mutate({ clerkId, mentoradoId }))).toBe("CONFLICT");
  expect((await client.sync.user.query({ clerkId })).link).toBe("conflict");
});

test("a batch of more than 50 calls or a request of more than 1 MiB is refused", async () => {
  const headers = { authorization: `Bearer ${testAdminToken}`, "content-type": "application/json" };
  const paths = Array.from({ length: 51 }, () => "sync.status").join(",");
  const many = await t.app.request(`/api/trpc/${paths}?batch=1&input=%7B%7D`, { headers });
  expect(many.status).toBeWithin(400, 500);
  const body = JSON.stringify({ svixId: "x".repeat(1024 * 1024) });
  expect((await t.app.request("/api/trpc/events.replay", { method: "POST", headers, body })).status).toBe(413);
});

test("the hours of the series add up to the totals", async () => {
  const { items } = await client.events.series.query({ hours: 48 });
  const { events } = await client.sync.status.query();
  expect(items.reduce((sum, hour) => sum + hour.applied, 0)).toBe(events.applied);
});
