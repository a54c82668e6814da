import type { Webhook } from "svix";
import { AppError } from "../errors.ts";
import { createSvixWebhook } from "./svixWebhook.ts";

/** Fixed by Svix: older or newer deliveries are replays or clocks gone wrong. */
const toleranceSeconds = 300;
/** Svix ids are about 30 characters; the ledger's key must stay indexable. */
const svixIdCharsMax = 256;

export interface SignatureHeaders {
  readonly svixId: string;
  readonly timestamp: string;
  readonly signature: string;
}

/**
 * The three headers, by their Svix or their Standard Webhooks name; whatever the body is, they are judged first.
 * @throws AppError `missing_headers`, or `invalid_signature` (a timestamp that is no whole number of seconds)
 */
export function parseSignatureHeaders(headers: Headers): SignatureHeaders {
  const find = (name: string) => headers.get(`svix-${name}`) || headers.get(`webhook-${name}`) || null;
  const svixId = find("id");
  const timestamp = find("timestamp");
  const signature = find("signature");
  if (svixId === null || timestamp === null || signature === null || svixId.length > svixIdCharsMax) {
    throw new AppError("missing_headers", "The headers svix-id, svix-timestamp and svix-signature are needed.");
  }
  if (!/^-?\d+$/.test(timestamp)) throw invalidSignature();
  return { svixId, timestamp, signature };
}

/** Whether Svix's tolerance covers the timestamp. */
export function isTimely({ timestamp }: SignatureHeaders, nowMs: number): boolean {
  return Math.abs(Math.floor(nowMs / 1000) - Number(timestamp)) <= toleranceSeconds;
}

/**
 * Answers the text of a body after one of the secrets has proved it. The bytes are judged exactly as they came: a
 * byte-order mark is kept, bytes that are no UTF-8 never match.
 */
export type VerifyBody = (headers: SignatureHeaders, body: Uint8Array) => string;

/** @throws Error if a secret is malformed. The built function throws AppError `invalid_signature`. */
export function createBodyVerifier(secrets: readonly string[]): VerifyBody {
  const webhooks = secrets.map(createSvixWebhook);
  return ({ svixId, timestamp, signature }, body) => {
    const text = decode(body);
    const headers = { "svix-id": svixId, "svix-timestamp": timestamp, "svix-signature": signature };
    if (!webhooks.some((webhook) => matches(webhook, text, headers))) throw invalidSignature();
    return text;
  };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(body: Uint8Array): string {
  try {
    return decoder.decode(body);
  } catch (cause) {
    throw invalidSignature(cause);
  }
}

function matches(webhook: Webhook, text: string, headers: Record<string, string>): boolean {
  try {
    webhook.verify(text, headers);
    return true;
  } catch {
    // verify() says no by throwing; the next secret may still match.
    return false;
  }
}

function invalidSignature(cause?: unknown): AppError {
  return new AppError("invalid_signature", "No signature matches.", { cause });
}
