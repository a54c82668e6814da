import { expect, test } from "bun:test";
import { clerkUser, deletedEvent, startMs, userEvent } from "./events.ts";
import { post, signDelivery, testSecret, type ContractApp } from "./testApp.ts";

const otherSecret = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
/** The app has to know both, and the instance `ins_1`. */
export const webhookCaseSecrets = [testSecret, otherSecret];

/** What the contract says of the webhook's answers, whatever serves it. */
export function declareWebhookCases(t: ContractApp): void {
  async function ledger(svixId: string) {
    const [row] =
      await t.sql`select outcome, attempts, payload, error_code, clerk_id from webhook_events where svix_id = ${svixId}`;
    return row;
  }

  test("a created user is written and answered applied", async () => {
    const answer = await t.deliver(userEvent(clerkUser("user_Created"), { type: "user.created" }));
    expect([answer.status, answer.said]).toEqual([200, "applied"]);
    const [row] = await t.sql`select * from users where clerk_id = 'user_Created'`;
    expect(row).toMatchObject({ name: "Ana Souza", email: "created@example.com", email_verified: true, role: "user" });
    expect(row?.["raw_json"]).not.toHaveProperty("private_metadata");
  });

  test("the same content with the same or a newer version is unchanged, and advances the version", async () => {
    await t.deliver(userEvent(clerkUser("user_Same")));
    expect((await t.deliver(userEvent(clerkUser("user_Same")))).said).toBe("unchanged");
    expect((await t.deliver(userEvent(clerkUser("user_Same", { updated_at: startMs + 5000 })))).said).toBe("unchanged");
    expect(
      (await t.deliver(userEvent(clerkUser("user_Same", { updated_at: startMs + 4000, first_name: "Old" })))).said,
    ).toBe("stale");
  });

  test("an older version is stale and changes nothing", async () => {
    await t.deliver(userEvent(clerkUser("user_Stale", { first_name: "New" })));
    const older = clerkUser("user_Stale", { first_name: "Old", updated_at: startMs - 1 });
    expect((await t.deliver(userEvent(older))).said).toBe("stale");
    expect((await t.sql`select name from users where clerk_id = 'user_Stale'`)[0]?.["name"]).toBe("New Souza");
  });

  test("a svix-id settled before is a duplicate, counted and without effect", async () => {
    const options = { svixId: "msg_twice" };
    await t.deliver(userEvent(clerkUser("user_Twice")), options);
    const again = await t.deliver(
      userEvent(clerkUser("user_Twice", { first_name: "X", updated_at: startMs + 1 })),
      options,
    );
    expect([again.status, again.said]).toEqual([200, "duplicate"]);
    expect(await ledger("msg_twice")).toMatchObject({ outcome: "applied", attempts: 2 });
    expect((await t.sql`select name from users where clerk_id = 'user_Twice'`)[0]?.["name"]).toBe("Ana Souza");
  });

  test("events of another type or instance are ignored; one that names no instance is applied", async () => {
    const other = { type: "session.created", data: { id: "sess_1", user_id: "user_Ignored" } };
    expect((await t.deliver(other, { svixId: "msg_other" })).said).toBe("ignored");
    expect(await ledger("msg_other")).toMatchObject({ outcome: "ignored", clerk_id: "user_Ignored" });
    expect((await t.deliver({ type: "totally.new", data: null })).said).toBe("ignored");
    expect((await t.deliver(userEvent(clerkUser("user_Foreign"), { instance_id: "ins_2" }))).said).toBe("ignored");
    expect((await t.deliver(userEvent(clerkUser("user_Nameless"), { instance_id: undefined }))).said).toBe("applied");
  });

  test("a deletion is applied once, then unchanged or duplicate, also for a user never seen", async () => {
    expect((await t.deliver(deletedEvent("user_Unseen"), { svixId: "msg_del" })).said).toBe("applied");
    expect((await t.deliver(deletedEvent("user_Unseen"), { svixId: "msg_del" })).said).toBe("duplicate");
    expect((await t.deliver(deletedEvent("user_Unseen"))).said).toBe("unchanged");
    expect((await t.deliver(userEvent(clerkUser("user_Unseen")))).said).toBe("stale");
  });

  test("each missing header is missing_headers", async () => {
    for (const name of ["svix-id", "svix-timestamp", "svix-signature"]) {
      const headers = signDelivery("{}");
      delete headers[name];
      const answer = await post(t.app, "{}", headers);
      expect([answer.status, answer.said]).toEqual([400, "missing_headers"]);
    }
  });

  test("the webhook-* header names are accepted too", async () => {
    const body = JSON.stringify(userEvent(clerkUser("user_Standard")));
    const headers = Object.fromEntries(
      Object.entries(signDelivery(body)).map(([name, value]) => [name.replace("svix-", "webhook-"), value]),
    );
    expect((await post(t.app, body, headers)).said).toBe("applied");
  });

  test("any change of body, id, timestamp or signature is invalid_signature", async () => {
    const body = JSON.stringify(userEvent(clerkUser("user_Forged")));
    const good = signDelivery(body);
    const later = String(Number(good["svix-timestamp"]) - 1);
    const attempts: [string, Record<string, string>][] = [
      [`${body} `, good],
      [`\ufeff${body}`, good],
      [body, { ...good, "svix-id": "msg_other_id" }],
      [body, { ...good, "svix-timestamp": later }],
      [body, { ...good, "svix-timestamp": "1.5" }],
      [body, { ...good, "svix-signature": "v1,AAAA" }],
      [body, { ...good, "svix-signature": `${good["svix-signature"]}`.replace("v1,", "v2,") }],
      [body, signDelivery(body, { secret: `whsec_${Buffer.alloc(32, 1).toString("base64")}` })],
    ];
    for (const [text, headers] of attempts) {
      const answer = await post(t.app, text, headers);
      expect([answer.status, answer.said]).toEqual([400, "invalid_signature"]);
    }
    expect(await t.sql`select from users where clerk_id = 'user_Forged'`).toBeEmpty();
  });

  test("bytes that are not UTF-8 are invalid_signature, whatever was signed", async () => {
    const answer = await post(t.app, Uint8Array.of(0x7b, 0xff, 0x7d), signDelivery("{\ufffd}"));
    expect([answer.status, answer.said]).toEqual([400, "invalid_signature"]);
  });

  test("several secrets and several signatures: any match wins", async () => {
    const one = JSON.stringify(userEvent(clerkUser("user_Second")));
    expect((await post(t.app, one, signDelivery(one, { secret: otherSecret }))).said).toBe("applied");
    const two = JSON.stringify(userEvent(clerkUser("user_Third")));
    const headers = signDelivery(two);
    headers["svix-signature"] = `v1,AAAA v2,BBBB ${headers["svix-signature"]}`;
    expect((await post(t.app, two, headers)).said).toBe("applied");
  });

  test("a timestamp more than five minutes off is rejected before the signature is checked", async () => {
    for (const offMs of [-301_000, 303_000]) {
      const answer = await t.deliver("{}", {
        at: new Date(Date.now() + offMs),
        headers: { "svix-signature": "v1,AAAA" },
      });
      expect([answer.status, answer.said]).toEqual([400, "timestamp_out_of_tolerance"]);
    }
    for (const timestamp of ["9".repeat(400), "0", "-5"]) {
      const { said } = await t.deliver("{}", { headers: { "svix-timestamp": timestamp } });
      expect(said).toBe("timestamp_out_of_tolerance");
    }
  });

  test("a body over 1 MiB is 413, declared or streamed", async () => {
    const body = "x".repeat(1024 * 1024 + 1);
    const declared = await post(t.app, body, { ...signDelivery(""), "content-length": String(body.length) });
    expect([declared.status, declared.said]).toEqual([413, "payload_too_large"]);
    const stream = new Response(body).body ?? "";
    const streamed = await post(t.app, stream, signDelivery(""));
    expect([streamed.status, streamed.said]).toEqual([413, "payload_too_large"]);
  });

  test("a verified delivery that is not an event is kept as dead, answered 422 with abort-message, and 422 again", async () => {
    const texts = [
      "nope",
      "[]",
      "null",
      '"text"',
      "{}",
      '{"type":5}',
      '{"type":"user.created"}',
      "",
      '{"type":"user.deleted","data":{}}',
      '{"type":"user.updated","data":{"id":"user_bad-id"}}',
      "[".repeat(300_000),
    ];
    for (const [place, text] of texts.entries()) {
      for (const round of [1, 2]) {
        const answer = await t.deliver(text, { svixId: `msg_dead_${place}` });
        expect([text.slice(0, 40), answer.status, answer.said]).toEqual([text.slice(0, 40), 422, "invalid_event"]);
        expect(answer.headers.get("webhook-delivery")).toBe("abort-message");
        expect(await ledger(`msg_dead_${place}`)).toMatchObject({ outcome: "dead", attempts: round, payload: text });
      }
    }
  });
}
