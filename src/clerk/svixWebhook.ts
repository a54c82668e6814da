import { createHmac } from "node:crypto";
import { Webhook } from "svix";

/**
 * The `Webhook` of the package svix (headers, timestamp, comparison of signatures), with the runtime's HMAC in place of
 * its JavaScript one, which takes 20 µs longer for a body of 2.5 KB.
 * @throws Error if the secret is malformed
 */
export function createSvixWebhook(secret: string): Webhook {
  const webhook = new Webhook(secret);
  replaceHash(webhook);
  return webhook;
}

/** The `standardwebhooks` object in a private field of svix 2's `Webhook`; its `verify` calls its `sign`. */
interface InnerWebhook {
  readonly key: Uint8Array;
  sign: Webhook["sign"];
}

/**
 * Replaces the HMAC of a `Webhook` by the runtime's. A `Webhook` with other internals, or another signature for a
 * sample, is left unchanged.
 * @returns whether the HMAC was replaced
 */
export function replaceHash(webhook: Webhook): boolean {
  const { inner } = webhook as unknown as { inner?: Partial<InnerWebhook> };
  const { key } = inner ?? {};
  if (inner === undefined || !(key instanceof Uint8Array) || typeof inner.sign !== "function") return false;
  const sign: Webhook["sign"] = (svixId, at, payload) => {
    const head = `${svixId}.${Math.floor(at.getTime() / 1000)}.`;
    return `v1,${createHmac("sha256", key).update(head).update(payload.toString()).digest("base64")}`;
  };
  const probe = ["msg_probe", new Date(0), "{}"] as const;
  if (sign(...probe) !== webhook.sign(...probe)) return false;
  inner.sign = sign;
  return true;
}
