import type { Webhook } from "svix";
import { AppError } from "../errors.ts";
import { createSvixWebhook } from "./svixWebhook.ts";

/** Svix's own tolerance: an older or newer timestamp means a replay attack or a wrong clock. */
const toleranceSeconds = 300;
/** Svix ids have about 30 characters; an index entry of Postgres holds at most 2.7 KB. */
const svixIdCharsMax = 256;

/** The three Svix headers of a delivery. */
export interface SignatureHeaders {
  readonly svixId: string;
  readonly timestamp: string;
  readonly signature: string;
}

/**
 * Reads the three headers under their Svix or Standard Webhooks names; called before the body is read.
 * @throws AppError `missing_headers`, or `invalid_signature` if the timestamp is not a whole number of seconds
 */
export function parseSignatureHeaders(headers: Headers): SignatureHeaders {
  const find = (name: string) => headers.get(`svix-${name}`) || headers.get(`webhook-${name}`) || null;
  const svixId = find("id");
  const timestamp = find("timestamp");
  const signature = find("signature");
  if (svixId === null || timestamp === null || signature === null || svixId.length > svixIdCharsMax) {
    throw new AppError("missing_headers", "The headers svix-id, svix-timestamp and svix-signature are required.");
  }
  if (!/^-?\d+$/.test(timestamp)) throw invalidSignature();
  return { svixId, timestamp, signature };
}

/** Whether the timestamp is within Svix's tolerance of five minutes. */
export function isWithinTolerance({ timestamp }: SignatureHeaders, nowMs: number): boolean {
  return Math.abs(Math.floor(nowMs / 1000) - Number(timestamp)) <= toleranceSeconds;
}

/**
 * Verifies the exact bytes of a body and returns them as text. A byte-order mark is kept; bytes that are not valid
 * UTF-8 never match.
 * @throws AppError `invalid_signature`
 */
export type VerifyBody = (headers: SignatureHeaders, body: Uint8Array) => string;

/**
 * Accepts a signature by any of the secrets (`whsec_…`), several during a rotation.
 * @throws Error if a secret is malformed
 */
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
    // verify() throws on a mismatch; the next secret may match.
    return false;
  }
}

function invalidSignature(cause?: unknown): AppError {
  return new AppError("invalid_signature", "No signature matches.", { cause });
}
