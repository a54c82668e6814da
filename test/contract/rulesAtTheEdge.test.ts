import { describe, expect, test } from "bun:test";
import type { ClerkUser } from "../../src/clerk/clerkApi.ts";
import { createApp } from "../../src/compose.ts";
import { parseConfig } from "../../src/config.ts";
import { clerkUser, startMs, userEvent } from "../support/events.ts";
import { createFixedClerk, openTestApp, post, signDelivery, testSecret } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

let atClerk: ClerkUser | null = null;
const t = openForFile(() => openTestApp({ clerk: { ...createFixedClerk(), getUser: async () => atClerk } }));

const resync = async (user: ClerkUser) => {
  atClerk = user;
  return (await t.services.users.resync({ clerkId: user.id })).outcome;
};

describe("order:", () => {
  test("an answer of the Backend API is later than any event of its version, in either order of arrival", async () => {
    const event = (id: string) => userEvent(clerkUser(id, { first_name: "Event" }), { timestamp: startMs + 3_600_000 });
    await t.deliver(event("user_ApiLast"), { svixId: "msg_zzz1" });
    expect(await resync(clerkUser("user_ApiLast", { first_name: "Api" }))).toBe("applied");
    expect(await resync(clerkUser("user_ApiFirst", { first_name: "Api" }))).toBe("applied");
    expect((await t.deliver(event("user_ApiFirst"), { svixId: "msg_zzz2" })).said).toBe("stale");
    for (const id of ["user_ApiLast", "user_ApiFirst"]) expect((await t.findUser(id))?.["name"]).toBe("Api Souza");
  });

  test("an answer of the Backend API older than an event is stale", async () => {
    await t.deliver(userEvent(clerkUser("user_ApiOld", { updated_at: startMs + 1 })));
    expect(await resync(clerkUser("user_ApiOld", { first_name: "Api" }))).toBe("stale");
  });

  test("an event without any time keeps the version of its first arrival when it is replayed", async () => {
    const undated = (first_name: string) =>
      userEvent(clerkUser("user_Undated", { updated_at: undefined, first_name }), { timestamp: undefined });
    await t.deliver(undated("First"), { svixId: "msg_undated" });
    await Bun.sleep(2);
    await t.deliver(undated("Second"));
    expect((await t.services.events.replay({ svixId: "msg_undated", actor: "operator:test" })).outcome).toBe("stale");
    expect((await t.findUser("user_Undated"))?.["name"]).toBe("Second Souza");
  });

  test("the same user by webhook and from the API is unchanged, though their linked accounts differ in form", async () => {
    const with_ = (external_accounts: unknown[]) => clerkUser("user_Surfaces", { external_accounts });
    await t.deliver(userEvent(with_([{ object: "google_account", id: "idn_1", provider: "oauth_google" }])));
    const fromApi = with_([{ object: "external_account", id: "eac_1", provider: "oauth_google" }]);
    expect(await resync(fromApi)).toBe("unchanged");
  });
});

describe("e-mail:", () => {
  const withAddress = (id: string, email_address: string) => clerkUser(id, { email: email_address });

  test("320 characters fit, counted as Postgres counts them; 321 are stored as none and link nothing", async () => {
    const fits = `${"😀".repeat(308)}@example.com`;
    await t.deliver(userEvent(withAddress("user_Fits", fits)));
    expect(await t.findUser("user_Fits")).toMatchObject({ email: fits, email_verified: true });
    await t.deliver(userEvent(withAddress("user_TooLong", `${"a".repeat(309)}@example.com`)));
    expect(await t.findUser("user_TooLong")).toMatchObject({ email: null, email_verified: false });
    expect((await t.services.users.getUser("user_TooLong")).link).toBe("no_email");
  });

  test("the primary address counts even if only another one is verified; it is stored as written", async () => {
    const email_addresses = [
      { id: "a", email_address: "verified@example.com", verification: { status: "verified" } },
      { id: "b", email_address: " Primary@Example.com", verification: { status: "transferable" } },
    ];
    await t.deliver(userEvent(clerkUser("user_Primary", { primary_email_address_id: "b", email_addresses })));
    expect(await t.findUser("user_Primary")).toMatchObject({ email: " Primary@Example.com", email_verified: false });
    expect((await t.services.users.getUser("user_Primary")).link).toBe("unverified");
  });
});

test("a role set in the database stays until a version has one", async () => {
  await t.deliver(userEvent(clerkUser("user_ByHand", { public_metadata: { role: "boss" } })));
  await t.sql`update users set role = 'admin' where clerk_id = 'user_ByHand'`;
  await t.deliver(userEvent(clerkUser("user_ByHand", { first_name: "New", updated_at: startMs + 1 })));
  expect(await t.findUser("user_ByHand")).toMatchObject({ name: "New Souza", role: "admin" });
});

test("a role counts only at the top level of public_metadata", async () => {
  const body = JSON.stringify(userEvent(clerkUser("user_Proto"))).replace(
    '"public_metadata":{}',
    '"public_metadata":{"__proto__":{"role":"admin"}}',
  );
  expect((await t.deliver(body)).said).toBe("applied");
  expect(await t.findUser("user_Proto")).toMatchObject({ role: "user" });
});

test("cosmetic fields of any length, and numbers no column holds, never make an event dead", async () => {
  const odd = { first_name: "n".repeat(100_000), image_url: `https://${"i".repeat(100_000)}` };
  const body = JSON.stringify(
    userEvent(clerkUser("user_Long", { ...odd, external_accounts: [{ provider: "oauth_custom_".padEnd(300, "x") }] })),
  ).replace('"public_metadata":{}', '"public_metadata":{"a":1e999,"b":-1e308,"c":123456789012345678901234567890}');
  expect((await t.deliver(body)).said).toBe("applied");
  expect(await t.findUser("user_Long")).toMatchObject({ image_url: odd.image_url, login_method: null });
});

describe("a value that cannot be stored", () => {
  test("makes its event alone dead, at once and at each retry, whatever shares its batch", async () => {
    const deep = (id: string, depth: number) =>
      JSON.stringify(userEvent(clerkUser(id))).replace(
        '"public_metadata":{}',
        `"public_metadata":{"deep":${"[".repeat(depth)}${"]".repeat(depth)}}`,
      );
    const poison = [
      deep("user_Deep", 6_000),
      deep("user_Deeper", 300_000),
      // One character more than the column has, though the shape of an id is right.
      JSON.stringify(userEvent(clerkUser(`user_${"a".repeat(60)}`, { email: "wide@example.com" }))),
    ];
    for (const attempts of [1, 2]) {
      const healthy = Array.from({ length: 30 }, (_, place) =>
        userEvent(clerkUser(`user_Healthy${attempts}x${place}`)),
      );
      const answers = await Promise.all([
        ...healthy.slice(0, 15).map((event) => t.deliver(event)),
        ...poison.map((body, place) => t.deliver(body, { svixId: `msg_poison_${place}` })),
        ...healthy.slice(15).map((event) => t.deliver(event)),
      ]);
      expect(answers.filter(({ said }) => said === "applied")).toHaveLength(30);
      expect(answers.filter(({ status }) => status === 422)).toHaveLength(poison.length);
      for (const [place, payload] of poison.entries()) {
        expect(await t.findEvent(`msg_poison_${place}`)).toMatchObject({ outcome: "dead", payload, attempts });
      }
    }
  });

  test("does not affect an event of another type", async () => {
    const about = { type: "session.created", data: { user_id: `user_${"a".repeat(60)}` } };
    expect((await t.deliver(about)).said).toBe("ignored");
    expect((await t.deliver({ type: "new.type" })).said).toBe("ignored");
    expect((await t.deliver({ type: "t".repeat(10_000) }, { svixId: "msg_long_type" })).said).toBe("ignored");
    expect(await t.findEvent("msg_long_type")).toMatchObject({ type: "t".repeat(256) });
  });
});

test("a user who gets a mentorado from another program at the same time keeps that one; the event is retried", async () => {
  await t.deliver(userEvent(clerkUser("user_Race", { verified: false })));
  const [given] = await t.sql`
    insert into mentorados (nome_completo, email, turma) values
      ('Given', 'given@example.com', 'neon_escala'), ('Found', 'race@example.com', 'neon_escala') returning id`;
  const updated = Promise.withResolvers<void>();
  const committed = Promise.withResolvers<void>();
  const other = t.sql.begin(async (tx) => {
    await tx`update mentorados set user_id = u.id from users u
             where mentorados.id = ${given?.["id"] as number} and u.clerk_id = 'user_Race'`;
    updated.resolve();
    await committed.promise;
  });
  await updated.promise;
  const event = userEvent(clerkUser("user_Race", { updated_at: startMs + 1 }));
  // The other program's transaction holds what is needed, so the event comes again.
  expect((await t.deliver(event, { svixId: "msg_race" })).said).toBe("unavailable");
  committed.resolve();
  await other;
  expect((await t.deliver(event, { svixId: "msg_race" })).said).toBe("applied");
  expect((await t.services.users.getUser("user_Race")).mentorado).toMatchObject({ nomeCompleto: "Given" });
});

test("a svix-id may be as long as 256 characters and hold what a header can", async () => {
  const svixId = `msg_${"é~ ".repeat(83)}é~!`;
  const event = userEvent(clerkUser("user_OddId"));
  expect((await t.deliver(event, { svixId })).said).toBe("applied");
  expect((await t.deliver(event, { svixId })).said).toBe("duplicate");
  expect(await t.findEvent(svixId)).toMatchObject({ outcome: "applied", attempts: 2 });
  expect((await t.deliver(event, { svixId: "m".repeat(257) })).said).toBe("missing_headers");
});

test("with a DEFAULT_TURMA that is no label users are written, and their mentorados wait until it is mended", async () => {
  const config = parseConfig({ DEFAULT_TURMA: "nope", CLERK_WEBHOOK_SECRET: testSecret });
  const app = createApp({ config, database: t.database, clerk: createFixedClerk() });
  const body = JSON.stringify(userEvent(clerkUser("user_NoTurma")));
  const answer = await post(app, body, signDelivery(body, { svixId: "msg_turma" }));
  expect([answer.status, answer.said]).toEqual([200, "applied"]);
  expect(await t.services.users.getUser("user_NoTurma")).toMatchObject({ state: "synced", link: "none" });
  expect((await t.deliver(userEvent(clerkUser("user_NoTurma", { updated_at: startMs + 1_000 })))).said).toBe("applied");
  expect(await t.services.users.getUser("user_NoTurma")).toMatchObject({ link: "linked" });
});
