import { beforeEach, describe, expect, test } from "bun:test";
import type { ClerkUser } from "../../src/clerk/clerkApi.ts";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { createFixedClerk, openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

let atClerk: ClerkUser[] = [];
const getUser = async (id: string) => atClerk.find((user) => user.id === id) ?? null;
const t = openForFile(() => openTestApp({ clerk: { ...createFixedClerk(), getUser } }));
beforeEach(async () => {
  await t.sql`truncate users, mentorados, webhook_events, mentorado_links cascade`;
});

async function register(email: string): Promise<number> {
  const [row] = await t.sql<{ id: number }[]>`
    insert into mentorados (nome_completo, email, turma) values ('Registered', ${email}, 'neon_escala') returning id`;
  return row?.id ?? 0;
}

const linkOf = async (clerkId: string) => (await t.services.users.getUser(clerkId)).link;

/** One user with the address who has the mentorado, two who wait for it. */
async function threeOfOneAddress(): Promise<void> {
  for (const id of ["user_Holder", "user_WaitA", "user_WaitB"]) {
    await t.deliver(userEvent(clerkUser(id, { email: "shared@example.com" })));
  }
}

describe("of several users who wait for a released mentorado", () => {
  const leavings: [string, unknown][] = [
    ["is deleted", deletedEvent("user_WaitB")],
    ["gets another address", userEvent(clerkUser("user_WaitB", { email: "b@example.com", updated_at: startMs + 1 }))],
    [
      "no longer has it verified",
      userEvent(clerkUser("user_WaitB", { email: "shared@example.com", verified: false, updated_at: startMs + 1 })),
    ],
  ];
  test.each(leavings)("the last one gets it when the other %s, before or after the release", async (_, leaving) => {
    for (const order of [
      [leaving, deletedEvent("user_Holder")],
      [deletedEvent("user_Holder"), leaving],
    ]) {
      await t.sql`truncate users, mentorados, webhook_events, mentorado_links cascade`;
      await threeOfOneAddress();
      for (const event of order) await t.deliver(event);
      expect(await linkOf("user_WaitA")).toBe("linked");
    }
  });

  test("none gets it while two wait, and each stays a conflict", async () => {
    await threeOfOneAddress();
    await t.deliver(deletedEvent("user_Holder"));
    expect([await linkOf("user_WaitA"), await linkOf("user_WaitB")]).toEqual(["conflict", "conflict"]);
  });

  test("a user whom an operator unlinked does not count as waiting", async () => {
    const id = await register("shared@example.com");
    await t.deliver(userEvent(clerkUser("user_Unlinked", { email: "shared@example.com" })));
    await t.services.links.unlink({ mentoradoId: id, actor: "operator:test" });
    await t.deliver(userEvent(clerkUser("user_Holder", { email: "shared@example.com" })));
    await t.deliver(userEvent(clerkUser("user_WaitA", { email: "shared@example.com" })));
    await t.deliver(deletedEvent("user_Holder"));
    expect([await linkOf("user_Unlinked"), await linkOf("user_WaitA")]).toEqual(["conflict", "linked"]);
  });

  test("none gets it if two mentorados have the address", async () => {
    await t.deliver(userEvent(clerkUser("user_Holder", { email: "shared@example.com" })));
    await t.deliver(userEvent(clerkUser("user_WaitA", { email: "shared@example.com" })));
    await register("SHARED@example.com");
    await t.deliver(deletedEvent("user_Holder"));
    expect(await linkOf("user_WaitA")).toBe("conflict");
  });
});

test("of users with one address who arrive at the same time exactly one gets the mentorado", async () => {
  const ids = Array.from({ length: 20 }, (_, place) => `user_Crowd${place}`);
  // The first two go alone, so that the others share a batch.
  const before = ["user_Early1", "user_Early2"].map((id) => clerkUser(id, { email: null }));
  const crowd = ids.map((id) => clerkUser(id, { email: "crowd@example.com" }));
  await Promise.all([...before, ...crowd].map((user) => t.deliver(userEvent(user))));
  expect(await t.sql`select from mentorados`).toHaveLength(1);
  const links = await Promise.all(ids.map(linkOf));
  expect(links.filter((link) => link === "linked")).toHaveLength(1);
  expect(links.filter((link) => link === "conflict")).toHaveLength(19);
});

test("a re-sync links a user once the duplicate mentorado is removed, without any change at Clerk", async () => {
  atClerk = [clerkUser("user_Again")];
  await register("again@example.com");
  const duplicate = await register("again@example.com");
  await t.deliver(userEvent(clerkUser("user_Again")));
  expect(await linkOf("user_Again")).toBe("conflict");
  await t.sql`delete from mentorados where id = ${duplicate}`;
  expect(await t.services.users.resync({ clerkId: "user_Again" })).toMatchObject({ outcome: "applied" });
  expect(await linkOf("user_Again")).toBe("linked");
});

test("a stale change links an unlinked user too, by the address that is stored", async () => {
  const id = await register("now@example.com");
  const duplicate = await register("now@example.com");
  await t.deliver(userEvent(clerkUser("user_Now", { email: "now@example.com", updated_at: startMs + 10 })));
  await t.sql`delete from mentorados where id = ${duplicate}`;
  const old = await t.deliver(userEvent(clerkUser("user_Now", { email: "old@example.com" })));
  expect(old.said).toBe("stale");
  expect((await t.services.users.getUser("user_Now")).mentorado?.id).toBe(id);
});

test("letters beyond ASCII differ by case; ASCII letters and white space around do not", async () => {
  const id = await register("\u00a0JOSÉ@example.com ");
  await t.deliver(userEvent(clerkUser("user_Lower", { email: "josé@example.com" })));
  await t.deliver(userEvent(clerkUser("user_Upper", { email: "josÉ@EXAMPLE.com" })));
  expect((await t.services.users.getUser("user_Upper")).mentorado?.id).toBe(id);
  expect((await t.services.users.getUser("user_Lower")).mentorado).toMatchObject({ nomeCompleto: "Ana Souza" });
});

test("a label added to turma is valid at once; banned and locked users are synced like any other", async () => {
  await t.sql`alter type turma add value if not exists 'neon_nova'`;
  const odd = { banned: true, locked: true, public_metadata: { turma: "neon_nova" } };
  await t.deliver(userEvent(clerkUser("user_Banned", odd)));
  expect((await t.services.users.getUser("user_Banned")).mentorado).toMatchObject({ turma: "neon_nova" });
});
