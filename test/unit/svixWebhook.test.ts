import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { Webhook } from "svix";
import { createSvixWebhook, replaceHash } from "../../src/clerk/svixWebhook.ts";

// The example of Svix' documentation. https://docs.svix.com/receiving/verifying-payloads/how-manual
const published = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  svixId: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  at: new Date(1_614_265_330_000),
  body: '{"test": 2432232314}',
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};

function toHeaders(svixId: string, at: Date, signature: string): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  return { "svix-id": svixId, "svix-timestamp": timestamp, "svix-signature": signature };
}

test("the runtime's hash is in effect in the svix that is installed", () => {
  expect(replaceHash(new Webhook(published.secret))).toBe(true);
  const webhook = createSvixWebhook(published.secret);
  // svix' own hash would now sign with another key.
  (webhook as unknown as { inner: { key: Uint8Array } }).inner.key = new Uint8Array(32);
  expect(webhook.sign(published.svixId, published.at, published.body)).toBe(published.signature);
  const now = new Date();
  const signature = new Webhook(published.secret).sign("msg_1", now, "{}");
  expect(() => webhook.verify("{}", toHeaders("msg_1", now, signature))).not.toThrow();
});

test("both hashes give the published signature", () => {
  const { secret, svixId, at, body, signature } = published;
  for (const webhook of [createSvixWebhook(secret), new Webhook(secret)]) {
    expect(webhook.sign(svixId, at, body)).toBe(signature);
    expect(webhook.sign(svixId, at, Buffer.from(body))).toBe(signature);
  }
});

test("both hashes agree on any secret, id, time and body, and each takes what the other signed", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
  );
  const secret = fc
    .uint8Array({ minLength: 1, maxLength: 100 })
    .map((bytes) => `whsec_${Buffer.from(bytes).toString("base64")}`);
  fc.assert(
    fc.property(secret, text, fc.date(), text, (secret, svixId, at, body) => {
      const [ours, theirs] = [createSvixWebhook(secret), new Webhook(secret)];
      expect(ours.sign(svixId, at, body)).toBe(theirs.sign(svixId, at, body));
      const now = new Date();
      const headers = toHeaders("msg_1", now, theirs.sign("msg_1", now, body));
      expect(() => ours.verify(body, headers)).not.toThrow();
      expect(() => ours.verify(`${body} `, headers)).toThrow("No matching signature found");
    }),
  );
});

test("svix judges as before: headers, timestamp, several signatures", () => {
  const webhook = createSvixWebhook(published.secret);
  const now = new Date();
  const signature = webhook.sign("msg_1", now, "{}");
  const verify = (at: Date, signatures: string) => () => webhook.verify("{}", toHeaders("msg_1", at, signatures));
  expect(verify(now, `v1,${"A".repeat(43)}= v2,x ${signature}`)).not.toThrow();
  expect(verify(now, signature.replace("v1", "v2"))).toThrow("No matching signature found");
  expect(verify(new Date(now.getTime() - 301_000), signature)).toThrow("Message timestamp too old");
  expect(verify(new Date(now.getTime() + 302_000), signature)).toThrow("Message timestamp too new");
  expect(() => webhook.verify("{}", {})).toThrow("Missing required headers");
});

test("a svix built in another way, or one that signs differently, keeps its own hash", () => {
  expect(replaceHash({ sign: () => "", verify: () => undefined } as unknown as Webhook)).toBe(false);
  const other = new Webhook(published.secret);
  const { inner } = other as unknown as { inner: { sign: Webhook["sign"] } };
  const sign = () => "v2,of another scheme";
  inner.sign = sign;
  expect(replaceHash(other)).toBe(false);
  expect(inner.sign).toBe(sign);
});
