import { isClerkId } from "../domain/clerkId.ts";
import { isObject, parseJson } from "../domain/json.ts";
import type { SyncSource } from "../domain/outcome.ts";
import type { Delivery, LedgerOnly, UserChange, UserDeletion, UserUpsert } from "../domain/userChange.ts";
import { toVersionKey } from "../domain/versionKey.ts";
import type { ClerkUser } from "./clerkApi.ts";
import { toEpochMs } from "./toEpochMs.ts";
import { toStorableJson, toStorableText } from "../domain/storableText.ts";
import { toUserFields } from "./userFields.ts";

/** A delivery with a valid signature; its body is not parsed yet. */
export interface VerifiedDelivery {
  readonly svixId: string;
  /** The exact text received. */
  readonly body: string;
  /** Epoch milliseconds; for a replay the time of the first arrival. */
  readonly receivedAtMs: number;
}

/** How far a version or a deletion may be ahead of its arrival: clocks differ by seconds, time zones by under a day. */
const aheadMsMax = 86_400_000;
/** The ledger stores this much of an event type; Clerk's are at most some 40 characters. */
const typeCharsMax = 256;
// Deeper than Clerk's 8 KB of metadata can be, so that no real user is rejected. JSON.stringify overflows Node's stack at
// some 4,400 levels, Postgres' parser its own at some 10,000; parsing time grows with the square of the depth (1 s at
// 30,000). https://clerk.com/docs/guides/users/extending
const levelsMax = 4_200;

/** The outer object of a Clerk event. */
interface Envelope {
  readonly type: string;
  readonly data?: unknown;
  readonly timestamp?: unknown;
  readonly instance_id?: unknown;
}

function isEnvelope(value: unknown): value is Envelope {
  return isObject(value) && typeof value["type"] === "string" && value["type"] !== "";
}

/**
 * Maps a verified delivery to a change. Never throws: a delivery that is not an event becomes `dead`; an event of
 * another type, or of an instance other than `instanceId` if that is set, becomes `ignored`.
 */
export function toUserChange(
  received: VerifiedDelivery,
  options: { instanceId?: string | undefined } = {},
): UserChange {
  const parsed = parseJson(received.body);
  if (!isEnvelope(parsed)) {
    const errorCode = parsed === undefined ? "not_json" : "not_an_event";
    return dead(toDelivery(received, null), errorCode, isObject(parsed) ? findClerkId(parsed["data"]) : null);
  }
  const { type, data } = parsed;
  const delivery = toDelivery(received, parsed);

  const isUserEvent = type === "user.created" || type === "user.updated" || type === "user.deleted";
  if (!isUserEvent) return ignored(delivery, toOwner(received.body, data));
  const isForeign =
    options.instanceId !== undefined && delivery.instanceId !== null && delivery.instanceId !== options.instanceId;
  if (isForeign) return ignored(delivery, { clerkId: findClerkId(data), isSole: true });
  if (!isObject(data) || !isClerkId(data["id"])) return dead(delivery, "no_user_id", findClerkId(data));
  const user = data as ClerkUser;
  if (type === "user.deleted") {
    const deletedAtMs = capAhead(delivery.occurredAtMs ?? delivery.receivedAtMs, delivery.receivedAtMs);
    return { kind: "delete", source: "webhook", clerkId: user.id, deletedAtMs, delivery };
  }
  // Each level takes at least two characters, so most bodies are too short to be that deep.
  if (received.body.length > 2 * levelsMax && isDeeperThan(user, levelsMax)) {
    return dead(delivery, "nested_too_deep", user.id);
  }
  return toUserUpsert(user, { source: "webhook", delivery });
}

/**
 * Maps a Clerk user to a change. Without a usable `updated_at` the version is the envelope's `timestamp`, else the
 * arrival time (of an answer of the Backend API: `requestedAtMs`, epoch milliseconds, before the request). A version
 * more than a day after the arrival is replaced by the arrival time.
 */
export function toUserUpsert(
  user: ClerkUser,
  from: { source: "webhook"; delivery: Delivery } | { source: Exclude<SyncSource, "webhook">; requestedAtMs: number },
): UserUpsert {
  const delivery = from.source === "webhook" ? from.delivery : undefined;
  const arrivedAtMs = from.source === "webhook" ? from.delivery.receivedAtMs : from.requestedAtMs;
  const saidMs = toEpochMs(user["updated_at"]) ?? delivery?.occurredAtMs ?? arrivedAtMs;
  const updatedAtMs = capAhead(saidMs, arrivedAtMs);
  // JSON.stringify omits undefined values; deleting the key from a copy costs 2 µs more.
  const storable = { ...user, private_metadata: undefined };
  return {
    kind: "upsert",
    source: from.source,
    clerkId: user.id,
    version: toVersionKey({
      updatedAtMs,
      fromApi: from.source !== "webhook",
      ...(delivery ? { envelopeMs: delivery.occurredAtMs, svixId: delivery.svixId } : {}),
    }),
    updatedAtMs,
    fields: toUserFields(user, updatedAtMs),
    rawJson: toStorableJson(storable),
    ...(delivery ? { delivery } : {}),
  };
}

/** Deletion of a user whom Clerk did not know when it was asked at `requestedAtMs` (epoch milliseconds). */
export function toUserDeletion(
  clerkId: string,
  from: { source: Exclude<SyncSource, "webhook">; requestedAtMs: number },
): UserDeletion {
  return { kind: "delete", source: from.source, clerkId, deletedAtMs: from.requestedAtMs };
}

function toDelivery(received: VerifiedDelivery, envelope: Envelope | null): Delivery {
  return {
    svixId: received.svixId,
    type: envelope && toStorableText(envelope.type.slice(0, typeCharsMax)),
    instanceId: typeof envelope?.instance_id === "string" ? toStorableText(envelope.instance_id) : null,
    occurredAtMs: envelope && toEpochMs(envelope.timestamp),
    receivedAtMs: received.receivedAtMs,
    payload: received.body,
  };
}

/** Replaces a time too far ahead by the arrival time, or it would outrank every later change. */
function capAhead(saidMs: number, arrivedAtMs: number): number {
  return saidMs > arrivedAtMs + aheadMsMax ? arrivedAtMs : saidMs;
}

/** The payload is stored only if it names no second user: erasure finds payloads by the one `clerk_id` of their row. */
function ignored(delivery: Delivery, { clerkId, isSole }: { clerkId: string | null; isSole: boolean }): LedgerOnly {
  const kept = isSole ? delivery : { ...delivery, payload: "" };
  return { kind: "ignored", source: "webhook", clerkId, errorCode: null, delivery: kept };
}

/** The user whom an event of another type names, and whether its text names no other user. */
function toOwner(body: string, data: unknown): { clerkId: string | null; isSole: boolean } {
  // Only values: the property name `user_id` also matches the pattern of an id.
  const named = new Set(Array.from(body.matchAll(/"(user_[^"]+)"(?!\s*:)/g), ([, id]) => id).filter(isClerkId));
  const clerkId = findClerkId(data) ?? named.values().next().value ?? null;
  return { clerkId, isSole: named.size <= 1 };
}

function dead(delivery: Delivery, errorCode: string, clerkId: string | null): LedgerOnly {
  return { kind: "dead", source: "webhook", clerkId, errorCode, delivery };
}

/** The user whom the `data` of an ignored or dead event names, so that the deletion of that user erases its payload. */
function findClerkId(data: unknown): string | null {
  if (!isObject(data)) return null;
  // Memberships have public_user_data, payments have payer; sessions, e-mails and messages have user_id.
  const inner = [data["public_user_data"], data["payer"], data["user"]].filter(isObject);
  const candidates = [data["id"], data["user_id"], ...inner.flatMap((one) => [one["user_id"], one["id"]])];
  return candidates.find(isClerkId) ?? null;
}

function isDeeperThan(value: unknown, levels: number): boolean {
  let ofLevel = [value];
  for (let level = 0; ofLevel.length > 0; level += 1) {
    const containers = ofLevel.filter((inner) => typeof inner === "object" && inner !== null);
    if (level === levels && containers.length > 0) return true;
    ofLevel = containers.flatMap((container) => Object.values(container));
  }
  return false;
}
