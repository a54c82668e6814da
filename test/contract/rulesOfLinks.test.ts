import { beforeEach, expect, test } from "bun:test";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

const t = openForFile(() => openTestApp());
beforeEach(async () => {
  await t.sql`truncate users, mentorados, webhook_events, mentorado_links cascade`;
});

async function register(email: string, nome = "Pre Registered"): Promise<number> {
  const [row] = await t.sql<{ id: number }[]>`
    insert into mentorados (nome_completo, email, turma, ativo) values (${nome}, ${email}, 'neon_escala', 'nao') returning id`;
  return row?.id ?? 0;
}

async function findLink(clerkId: string) {
  const { link, mentorado } = await t.services.users.getUser(clerkId);
  return { link, mentoradoId: mentorado?.id ?? null };
}

const mentorados = () =>
  t.sql`select id, nome_completo, email, turma, foto_url, ativo, user_id from mentorados order by id`;

test("the one unclaimed mentorado with the verified address is linked, whatever its case and white space, and otherwise unchanged", async () => {
  const id = await register("  ANA@Example.com\t");
  await t.deliver(userEvent(clerkUser("user_Ana", { email: "ana@example.COM" })));
  expect(await findLink("user_Ana")).toEqual({ link: "linked", mentoradoId: id });
  expect(await mentorados()).toMatchObject([
    {
      nome_completo: "Pre Registered",
      email: "  ANA@Example.com\t",
      turma: "neon_escala",
      foto_url: null,
      ativo: "nao",
    },
  ]);
});

test("without a mentorado of the address one is created: name, else username, else the part before @; turma from metadata if it is a label", async () => {
  await t.deliver(userEvent(clerkUser("user_A", { public_metadata: { turma: "neon_escala" } })));
  await t.deliver(
    userEvent(
      clerkUser("user_B", { first_name: null, last_name: null, username: "bia", public_metadata: { turma: "nope" } }),
    ),
  );
  await t.deliver(userEvent(clerkUser("user_C", { first_name: null, last_name: null, image_url: "u".repeat(501) })));
  await t.deliver(userEvent(clerkUser("user_D", { first_name: "n".repeat(300) })));
  const rows = await mentorados();
  expect(
    rows.map((row) => [row["nome_completo"], row["turma"], row["ativo"], row["foto_url"]?.length ?? null]),
  ).toEqual([
    ["Ana Souza", "neon_escala", "sim", 29],
    ["bia", "neon_estrutura", "sim", 29],
    ["c", "neon_estrutura", "sim", null],
    ["n".repeat(255), "neon_estrutura", "sim", 29],
  ]);
});

test("an unverified address links nothing and creates nothing, until it is verified", async () => {
  const id = await register("user_u@example.com");
  const email = "user_u@example.com";
  await t.deliver(userEvent(clerkUser("user_U", { email, verified: false })));
  expect(await findLink("user_U")).toEqual({ link: "unverified", mentoradoId: null });
  await t.deliver(userEvent(clerkUser("user_U", { email, updated_at: startMs + 1 })));
  expect(await findLink("user_U")).toEqual({ link: "linked", mentoradoId: id });
});

test("a user without an address is no_email", async () => {
  await t.deliver(userEvent(clerkUser("user_N", { email: null })));
  expect(await findLink("user_N")).toEqual({ link: "no_email", mentoradoId: null });
  expect(await mentorados()).toBeEmpty();
});

test("two mentorados with the address: conflict, until one is removed and the user changes or is re-synced", async () => {
  const keep = await register("dup@example.com");
  const remove = await register("DUP@example.com");
  const event = userEvent(clerkUser("user_Dup"));
  await t.deliver(event);
  expect(await findLink("user_Dup")).toEqual({ link: "conflict", mentoradoId: null });
  await t.sql`delete from mentorados where id = ${remove}`;
  expect((await t.deliver(event)).said).toBe("applied");
  expect(await findLink("user_Dup")).toEqual({ link: "linked", mentoradoId: keep });
});

test("a claimed mentorado stays with its user; a second user with the address is a conflict", async () => {
  await t.deliver(userEvent(clerkUser("user_First", { email: "shared@example.com" })));
  await t.deliver(userEvent(clerkUser("user_Second", { email: "shared@example.com" })));
  expect((await findLink("user_First")).link).toBe("linked");
  expect(await findLink("user_Second")).toEqual({ link: "conflict", mentoradoId: null });
  expect(await mentorados()).toHaveLength(1);
});

test("a user keeps the mentorado whatever happens to the address", async () => {
  await t.deliver(userEvent(clerkUser("user_K")));
  const before = await findLink("user_K");
  await t.deliver(userEvent(clerkUser("user_K", { email: "new@example.com", updated_at: startMs + 1 })));
  await t.deliver(userEvent(clerkUser("user_K", { email: null, updated_at: startMs + 2 })));
  expect(await findLink("user_K")).toEqual(before);
  expect(await mentorados()).toHaveLength(1);
});

test("a mentorado released by a deletion goes to the one user waiting for it, and to none of several", async () => {
  for (const waiting of [["user_W1"], ["user_W1", "user_W2"]]) {
    await t.sql`truncate users, mentorados, webhook_events cascade`;
    await t.deliver(userEvent(clerkUser("user_Holder", { email: "h@example.com" })));
    const { mentoradoId } = await findLink("user_Holder");
    for (const id of waiting) await t.deliver(userEvent(clerkUser(id, { email: " H@example.com" })));
    await t.deliver(deletedEvent("user_Holder"));
    for (const id of waiting) {
      const expected = waiting.length === 1 ? { link: "linked", mentoradoId } : { link: "conflict", mentoradoId: null };
      expect(await findLink(id)).toEqual(expected as Awaited<ReturnType<typeof findLink>>);
    }
  }
});

test("a user who signs up again with the address gets the released mentorado", async () => {
  await t.deliver(userEvent(clerkUser("user_Before", { email: "again@example.com" })));
  const { mentoradoId } = await findLink("user_Before");
  await t.deliver(deletedEvent("user_Before"));
  await t.deliver(userEvent(clerkUser("user_After", { email: "again@example.com" })));
  expect(await findLink("user_After")).toEqual({ link: "linked", mentoradoId });
});

test("mentorado_links records every link and release with its cause", async () => {
  await t.deliver(userEvent(clerkUser("user_T", { email: "t@example.com" })), { svixId: "msg_t1" });
  await t.deliver(userEvent(clerkUser("user_V", { email: "t@example.com" })));
  await t.deliver(deletedEvent("user_T"), { svixId: "msg_t2" });
  const trail = await t.sql`select clerk_id, action, actor, svix_id from mentorado_links order by id`;
  expect([...trail]).toEqual([
    { clerk_id: "user_T", action: "created", actor: "webhook", svix_id: "msg_t1" },
    { clerk_id: "user_T", action: "released", actor: "webhook", svix_id: "msg_t2" },
    { clerk_id: "user_V", action: "linked", actor: "release", svix_id: null },
  ]);
});
