import { describe, expect, test } from "bun:test";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

const t = openForFile(() => openTestApp());

describe("the version of a user:", () => {
  test("milliseconds, seconds and ISO text mean the same", async () => {
    const id = "user_Units";
    await t.deliver(userEvent(clerkUser(id, { updated_at: startMs, first_name: "Ms" })));
    const older = [startMs / 1000 - 1, new Date(startMs - 1000).toISOString(), String(startMs - 1000)];
    for (const updated_at of older) {
      expect((await t.deliver(userEvent(clerkUser(id, { updated_at, first_name: "Older" })))).said).toBe("stale");
    }
    const newer = [startMs / 1000 + 1, new Date(startMs + 2000).toISOString().replace("Z", ""), startMs + 3000];
    for (const [place, updated_at] of newer.entries()) {
      expect((await t.deliver(userEvent(clerkUser(id, { updated_at, first_name: `N${place}` })))).said).toBe("applied");
    }
  });

  test("without updated_at it is the envelope's timestamp, in either unit", async () => {
    const id = "user_NoVersion";
    const without = (first_name: string) => clerkUser(id, { updated_at: undefined, first_name });
    await t.deliver(userEvent(without("A"), { timestamp: startMs }));
    expect((await t.deliver(userEvent(without("B"), { timestamp: startMs / 1000 - 5 }))).said).toBe("stale");
    expect((await t.deliver(userEvent(without("C"), { timestamp: startMs + 1 }))).said).toBe("applied");
    expect((await t.findUser(id))?.["name"]).toBe("C Souza");
  });

  test("without any time it is the time of the first arrival", async () => {
    const id = "user_NoTime";
    await t.deliver(userEvent(clerkUser(id, { updated_at: startMs })));
    const event = userEvent(clerkUser(id, { updated_at: null, first_name: "Late" }), { timestamp: undefined });
    expect((await t.deliver(event)).said).toBe("applied");
    expect((await t.deliver(userEvent(clerkUser(id, { updated_at: startMs + 60_000 })))).said).toBe("stale");
  });

  test("of equal versions the later envelope wins, then the greater svix-id, in every order of arrival", async () => {
    const one = { svixId: "msg_b", timestamp: startMs + 10, first_name: "One" };
    const two = { svixId: "msg_c", timestamp: startMs + 10, first_name: "Two" };
    const three = { svixId: "msg_a", timestamp: startMs + 11, first_name: "Three" };
    const orders = [
      [one, two],
      [two, one],
      [two, three],
      [three, two],
    ] as const;
    for (const [place, order] of orders.entries()) {
      const id = `user_Tie${place}`;
      for (const { svixId, timestamp, first_name } of order) {
        await t.deliver(userEvent(clerkUser(id, { first_name }), { timestamp }), { svixId: `${svixId}_${place}` });
      }
      expect((await t.findUser(id))?.["name"]).toBe(place < 2 ? "Two Souza" : "Three Souza");
    }
  });
});

describe("a deletion", () => {
  test("erases what is personal, keeps the row, and is final", async () => {
    const id = "user_Gone";
    await t.deliver(userEvent(clerkUser(id, { public_metadata: { role: "admin" } })), { svixId: "msg_gone_1" });
    await t.deliver({ type: "session.created", data: { user_id: id } }, { svixId: "msg_gone_2" });
    await t.deliver(deletedEvent(id), { svixId: "msg_gone_3" });
    await t.deliver(userEvent(clerkUser(id, { updated_at: startMs + 999_999_999 })), { svixId: "msg_gone_4" });
    await t.deliver({ type: "session.ended", data: { user_id: id } }, { svixId: "msg_gone_5" });
    expect(await t.findUser(id)).toMatchObject({
      name: null,
      email: null,
      image_url: null,
      raw_json: null,
      email_verified: false,
      role: "user",
      deleted_at: new Date(startMs + 60_000),
    });
    const kept = await t.sql`select svix_id from webhook_events where clerk_id = ${id} and payload is not null`;
    expect(kept).toBeEmpty();
    expect(await t.sql`select from webhook_events where clerk_id = ${id}`).toHaveLength(5);
    const [mentorado] = await t.sql`select user_id from mentorados where email = 'gone@example.com'`;
    expect(mentorado).toEqual({ user_id: null });
  });
});

describe("the e-mail address of a user:", () => {
  const address = (id: string | undefined, email_address: unknown, status: string | null) => ({
    id,
    email_address,
    verification: status === null ? null : { status },
  });
  const cases: [string, Record<string, unknown>, string | null, boolean][] = [
    [
      "primary",
      {
        primary_email_address_id: "b",
        email_addresses: [address("a", "a@x.io", "verified"), address("b", "b@x.io", "unverified")],
      },
      "b@x.io",
      false,
    ],
    [
      "dangling: first verified",
      {
        primary_email_address_id: "zz",
        email_addresses: [address("a", "a@x.io", "unverified"), address("b", "b@x.io", "verified")],
      },
      "b@x.io",
      true,
    ],
    [
      "null, no ids: first verified",
      {
        primary_email_address_id: null,
        email_addresses: [address(undefined, "a@x.io", "expired"), address(undefined, "b@x.io", "verified")],
      },
      "b@x.io",
      true,
    ],
    [
      "none verified: first",
      { primary_email_address_id: null, email_addresses: [{}, null, address("a", "a@x.io", null)] },
      "a@x.io",
      false,
    ],
    ["none at all", { email_addresses: [], phone_numbers: [{ phone_number: "+5511" }] }, null, false],
    ["not even a list", { email_addresses: "?" }, null, false],
    [
      "too long for its column",
      { primary_email_address_id: "a", email_addresses: [address("a", `${"a".repeat(320)}@x.io`, "verified")] },
      null,
      false,
    ],
  ];
  test.each(cases)("%s", async (name, changes, email, verified) => {
    const id = `user_Mail${name.replace(/\W/g, "")}`;
    expect((await t.deliver(userEvent(clerkUser(id, changes)))).said).toBe("applied");
    expect(await t.findUser(id)).toMatchObject({ email, email_verified: verified });
  });

  test("the name is first and last, else the username, else none", async () => {
    const names: [Record<string, unknown>, string | null][] = [
      [{ first_name: "Zoé", last_name: null }, "Zoé"],
      [{ first_name: null, last_name: "李" }, "李"],
      [{ first_name: " ", last_name: "", username: "ana" }, "ana"],
      [{ first_name: null, last_name: null }, null],
      [{ first_name: 5, last_name: "\u202eabc" }, "\u202eabc"],
    ];
    for (const [place, [changes, name]] of names.entries()) {
      await t.deliver(userEvent(clerkUser(`user_Name${place}`, changes)));
      expect((await t.findUser(`user_Name${place}`))?.["name"]).toBe(name);
    }
  });
});

describe("the role of a user:", () => {
  test("the newest version with a valid role decides; others leave it, unsafe_metadata never counts", async () => {
    const id = "user_Role";
    const say = async (updated_at: number, public_metadata: unknown) => {
      await t.deliver(userEvent(clerkUser(id, { updated_at, public_metadata, unsafe_metadata: { role: "admin" } })));
      return (await t.findUser(id))?.["role"] as string;
    };
    expect(await say(startMs, {})).toBe("user");
    expect(await say(startMs + 10, { role: "admin" })).toBe("admin");
    expect(await say(startMs + 20, {})).toBe("admin");
    expect(await say(startMs + 30, { role: "owner" })).toBe("admin");
    // Older than the row, newer than what last said a role.
    expect(await say(startMs + 25, { role: "user" })).toBe("user");
    expect(await say(startMs + 5, { role: "admin" })).toBe("user");
  });
});

describe("in any string", () => {
  test("U+0000 and lone surrogates are removed, and everything else that Unicode allows is kept", async () => {
    const odd = "a\u0000b\ud800c\udfffd😀\u202e\\u0000e";
    const user = clerkUser("user_Odd", {
      first_name: odd,
      last_name: null,
      public_metadata: { [odd]: [odd] },
      image_url: "x".repeat(5000),
    });
    const answer = await t.deliver(userEvent(user), { svixId: "msg_odd" });
    expect(answer.said).toBe("applied");
    const clean = "abcd😀\u202e\\u0000e";
    const row = await t.findUser("user_Odd");
    expect(row).toMatchObject({ name: clean, raw_json: { public_metadata: { [clean]: [clean] } } });
    expect((await t.deliver(userEvent(user))).said).toBe("unchanged");
  });
});
