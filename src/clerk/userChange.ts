import { isClerkId } from "../domain/clerkId.ts";
import { isObject, parseJson } from "../domain/json.ts";
import type { SyncSource } from "../domain/outcome.ts";
import type { Delivery, LedgerOnly, UserChange, UserDeletion, UserUpsert } from "../domain/userChange.ts";
import { toVersionKey } from "../domain/versionKey.ts";
import type { ClerkUser } from "./clerkApi.ts";
import { toEpochMs } from "./toEpochMs.ts";
import { toStorableJson, toStorableText } from "../domain/storableText.ts";
import { toUserFields } from "./userFields.ts";

/** A delivery whose signature was right, its body not yet read. */
export interface VerifiedDelivery {
  readonly svixId: string;
  /** The exact text received. */
  readonly body: string;
  /** Epoch milliseconds; for a replay the time of the first arrival. */
  readonly receivedAtMs: number;
}

/** How far a version or a deletion may lie ahead of its arrival: clocks differ by seconds, zones by less than a day. */
const aheadMsMax = 86_400_000;
/** Event types are short words; of a longer one the ledger keeps the beginning. */
const typeCharsMax = 256;
// More than the 8 KB that Clerk allows can hold, so that no user is kept out by their own metadata. JSON.stringify ends at
// some 4,400 on Node's stack, Postgres' parser at some ten thousand; and what it takes grows with the square of the depth:
// a second of all users' time at thirty thousand. https://clerk.com/docs/guides/users/extending
const levelsMax = 4_200;

/** What is around a user in an event. */
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
 * What a verified webhook means. Never throws: a delivery that is not an event becomes `dead`, one of another type or
 * instance `ignored`. With `instanceId` set, events that name another instance are ignored.
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
  // A level takes two characters at least, so that most texts need no counting.
  if (received.body.length > 2 * levelsMax && isDeeperThan(user, levelsMax)) {
    return dead(delivery, "nested_too_deep", user.id);
  }
  return toUserUpsert(user, { source: "webhook", delivery });
}

/**
 * A Clerk user as a change. Without a usable `updated_at` its version is the envelope's `timestamp`, else the time it
 * came here (`learnedAtMs`, epoch milliseconds); a version more than a day after that time counts as of that time.
 */
export function toUserUpsert(
  user: ClerkUser,
  from: { source: "webhook"; delivery: Delivery } | { source: Exclude<SyncSource, "webhook">; learnedAtMs: number },
): UserUpsert {
  const delivery = from.source === "webhook" ? from.delivery : undefined;
  const arrivedAtMs = from.source === "webhook" ? from.delivery.receivedAtMs : from.learnedAtMs;
  const saidMs = toEpochMs(user["updated_at"]) ?? delivery?.occurredAtMs ?? arrivedAtMs;
  const updatedAtMs = capAhead(saidMs, arrivedAtMs);
  // JSON leaves out what is undefined; taking it out of a copy instead costs some 2 µs more.
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

/** Clerk no longer has the user; learned at `learnedAtMs` (epoch milliseconds). */
export function toUserDeletion(
  clerkId: string,
  from: { source: Exclude<SyncSource, "webhook">; learnedAtMs: number },
): UserDeletion {
  return { kind: "delete", source: from.source, clerkId, deletedAtMs: from.learnedAtMs };
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

/** A time further ahead counts as of its arrival, so that it cannot outrank what Clerk says later. */
function capAhead(saidMs: number, arrivedAtMs: number): number {
  return saidMs > arrivedAtMs + aheadMsMax ? arrivedAtMs : saidMs;
}

/** A text that names several users cannot be erased with each of them: the ledger keeps none. */
function ignored(delivery: Delivery, { clerkId, isSole }: { clerkId: string | null; isSole: boolean }): LedgerOnly {
  const kept = isSole ? delivery : { ...delivery, payload: "" };
  return { kind: "ignored", source: "webhook", clerkId, errorCode: null, delivery: kept };
}

/** The user whom an event of another type is about, and whether its text names no other. */
function toOwner(body: string, data: unknown): { clerkId: string | null; isSole: boolean } {
  // Values alone: `user_id` as a name looks like an id.
  const named = new Set(Array.from(body.matchAll(/"(user_[^"]+)"(?!\s*:)/g), ([, id]) => id).filter(isClerkId));
  const clerkId = findClerkId(data) ?? named.values().next().value ?? null;
  return { clerkId, isSole: named.size <= 1 };
}

function dead(delivery: Delivery, errorCode: string, clerkId: string | null): LedgerOnly {
  return { kind: "dead", source: "webhook", clerkId, errorCode, delivery };
}

/** The user an event that changes none is about, so that their deletion erases its payload too. */
function findClerkId(data: unknown): string | null {
  if (!isObject(data)) return null;
  // Sessions, e-mails and messages; memberships; payments.
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
