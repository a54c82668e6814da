import { expect, setDefaultTimeout, test } from "bun:test";
import * as fc from "fast-check";
import { clerkUser, startMs, userEvent } from "../support/events.ts";
import { openTestApp, post, signDelivery, type Answer } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

setDefaultTimeout(30_000);

const t = openForFile(() => openTestApp());

let nth = 0;
const freshId = () => `msg_hostile_${++nth}`;

/** What the outside may see, whatever comes with a right signature. */
function expectSettled({ status, said }: Answer): void {
  const closed = ["applied", "unchanged", "stale", "ignored"];
  expect(status === 200 ? closed : ["invalid_event"]).toContain(said);
  expect([200, 422]).toContain(status);
}

async function ledger(svixId: string) {
  const [row] = await t.sql`select outcome, payload from webhook_events where svix_id = ${svixId}`;
  return row;
}

test("one bit flipped anywhere in body, id, timestamp or signature is rejected, and leaves no trace", async () => {
  const body = JSON.stringify(userEvent(clerkUser("user_Flipped")));
  const svixId = "msg_flipped";
  const headers = signDelivery(body, { svixId });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("body", "svix-id", "svix-timestamp", "svix-signature"),
      fc.nat(),
      fc.integer({ min: 0, max: 7 }),
      async (where, place, bit) => {
        const bytes = Buffer.from(where === "body" ? body : (headers[where] ?? ""));
        const at = place % bytes.length;
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
        const text = bytes.toString("latin1");
        // What no header can carry never gets here.
        fc.pre(where === "body" || (/^[\x21-\x7e]+$/.test(text) && text !== headers[where]));
        // Base64 has spare bits at its end: such a signature says the same bytes.
        fc.pre(where !== "svix-signature" || !isSameSignature(text, headers[where] ?? ""));
        const answer =
          where === "body"
            ? await post(t.app, new Uint8Array(bytes), headers)
            : await post(t.app, body, { ...headers, [where]: text });
        expect(answer.status).toBe(400);
      },
    ),
    { numRuns: 400 },
  );
  expect(await ledger(svixId)).toBeUndefined();
  expect(await t.sql`select from users where clerk_id = 'user_Flipped'`).toHaveLength(0);
});

function isSameSignature(one: string, other: string): boolean {
  const bytesOf = (text: string) => Buffer.from(text.split(",")[1] ?? "", "base64");
  return one.startsWith("v1,") && bytesOf(one).equals(bytesOf(other));
}

test("any JSON under a right signature is settled: 200 or 422, in the ledger, never a 5xx", async () => {
  await fc.assert(
    fc.asyncProperty(fc.json({ maxDepth: 8, stringUnit: "binary" }), async (body) => {
      const svixId = freshId();
      expectSettled(await t.deliver(body, { svixId }));
      expect(await ledger(svixId)).toBeDefined();
    }),
    { numRuns: 150 },
  );
});

test("a user event with arbitrary values in its fields is settled", async () => {
  const anything = fc.jsonValue({ maxDepth: 3, stringUnit: "binary" });
  const names =
    "first_name last_name username image_url primary_email_address_id email_addresses external_accounts public_metadata unsafe_metadata private_metadata created_at updated_at last_sign_in_at phone_numbers web3_wallets banned __proto__ constructor toString".split(
      " ",
    );
  const user = fc.dictionary(fc.constantFrom(...names), anything, { maxKeys: 12 });
  const envelope = fc.dictionary(fc.constantFrom("timestamp", "instance_id", "event_attributes", "object"), anything);
  await fc.assert(
    fc.asyncProperty(
      user,
      envelope,
      fc.constantFrom("user.created", "user.updated", "user.deleted"),
      fc.integer({ min: 1, max: 30 }),
      async (fields, around, type, place) => {
        const svixId = freshId();
        const body = JSON.stringify({ ...around, type, data: { ...fields, id: `user_Any${place}` } });
        const answer = await t.deliver(body, { svixId });
        expectSettled(answer);
        expect(answer.status).toBe(200);
        expect(await ledger(svixId)).toBeDefined();
      },
    ),
    { numRuns: 300 },
  );
});

test("the deepest nesting and the widest objects that fit into 1 MiB are settled", async () => {
  const texts = [
    `${"[".repeat(500_000)}${"]".repeat(500_000)}`,
    `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
    JSON.stringify(
      userEvent(
        clerkUser("user_Wide", { public_metadata: Object.fromEntries(range(60_000).map((i) => [`k${i}`, i])) }),
      ),
    ),
    `{"type":"user.updated","data":{"id":"user_Deep","updated_at":${startMs},"public_metadata":${nest(20_000)}}}`,
    `{"type":"user.updated","data":{"id":"user_Deep2","updated_at":${startMs},"email_addresses":${nest(2_000)}}}`,
    `{"type":"user.updated","data":{"id":"user_Digits","updated_at":1${"0".repeat(900_000)}}}`,
    `{"type":"user.updated","data":{"id":"user_Twice","id":"user_Twice2","updated_at":${startMs}}}`,
  ];
  for (const text of texts) {
    const svixId = freshId();
    expectSettled(await t.deliver(text, { svixId }));
    expect(await ledger(svixId)).toBeDefined();
  }
});

const range = (length: number) => Array.from({ length }, (_, place) => place);
const nest = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

test("metadata nested as deep as Clerk's 8 KB allow are applied", async () => {
  const body = JSON.stringify(userEvent(clerkUser("user_Digger"))).replace(
    '"unsafe_metadata":{}',
    `"unsafe_metadata":{"deep":${"[".repeat(4_096)}${"]".repeat(4_096)}}`,
  );
  expect(body).toContain("[[[[");
  expect((await t.deliver(body)).said).toBe("applied");
});

test("metadata up to the very limit of 1 MiB is applied, one byte more is 413", async () => {
  const bodyOf = (filler: number) =>
    JSON.stringify(userEvent(clerkUser("user_Large", { unsafe_metadata: { text: "x".repeat(filler) } })));
  const most = 1024 * 1024 - bodyOf(0).length;
  expect((await t.deliver(bodyOf(most))).said).toBe("applied");
  expect(await t.deliver(bodyOf(most + 1))).toMatchObject({ status: 413, said: "payload_too_large" });
  const [row] =
    await t.sql`select length(raw_json #>> '{unsafe_metadata,text}') as length from users where clerk_id = 'user_Large'`;
  expect(row?.["length"]).toBe(most);
});

test("compressed bodies are bytes like any other: no signature matches them", async () => {
  const body = JSON.stringify(userEvent(clerkUser("user_Zipped")));
  const headers = { ...signDelivery(body), "content-encoding": "gzip" };
  expect(await post(t.app, new Uint8Array(Bun.gzipSync(Buffer.from(body))), headers)).toMatchObject({
    status: 400,
    said: "invalid_signature",
  });
});

test("doubled headers are rejected, doubled signatures are several signatures", async () => {
  const body = JSON.stringify(userEvent(clerkUser("user_Doubled")));
  const headers = new Headers(signDelivery(body));
  const signature = headers.get("svix-signature") ?? "";
  const send = async (change: (copy: Headers) => void) => {
    const copy = new Headers(headers);
    change(copy);
    return (await t.app.request("/api/webhooks/clerk", { method: "POST", body, headers: copy })).status;
  };
  expect(await send((copy) => copy.append("svix-id", "msg_other"))).toBe(400);
  expect(await send((copy) => copy.append("svix-timestamp", "1"))).toBe(400);
  expect(await send((copy) => copy.set("svix-signature", "v1,AAAA"))).toBe(400);
  expect(await send((copy) => copy.set("svix-signature", `v1,AAAA ${signature}`))).toBe(200);
});

test("a right signature under webhook-* names does not help wrong svix-* ones", async () => {
  const body = JSON.stringify(userEvent(clerkUser("user_Mixed")));
  const good = signDelivery(body);
  const standard = Object.fromEntries(
    Object.entries(good).map(([name, value]) => [name.replace("svix-", "webhook-"), value]),
  );
  expect((await post(t.app, body, { ...standard, "svix-signature": "v1,AAAA" })).said).toBe("invalid_signature");
  expect((await post(t.app, body, { ...standard, "svix-id": "msg_other" })).said).toBe("invalid_signature");
  expect((await post(t.app, body, standard)).said).toBe("applied");
});
