import { outcomes, type Outcome } from "../../domain/outcome.ts";
import { toStorableJson, toStorableText } from "../../domain/storableText.ts";
import type { LedgerOnly, UserChange } from "../../domain/userChange.ts";

/** How `apply_user_changes` is to treat one change. */
export interface BatchItem {
  /** JSON text of one element of the batch, see `toBatchItem`. */
  readonly json: string;
  /** The Clerk user as JSON and the ledger's payload; empty: none. */
  readonly texts: readonly [string, string];
  /** UTF-16 units of all three. */
  readonly size: number;
  readonly clerkId: string | null;
  readonly svixId: string | null;
}

/**
 * One change as an element of the batch. The Clerk user and the payload, by far the longest parts, go beside it. With
 * `replay` a ledger row that is `dead` or `ignored` is settled anew instead of being counted as a duplicate.
 */
export function toBatchItem(change: UserChange, options: { replay?: boolean } = {}): BatchItem {
  const delivery = change.delivery;
  const json = toStorableJson({
    kind: change.kind,
    source: change.source,
    clerk_id: change.clerkId,
    ...(change.kind === "upsert" ? toUserColumns(change) : {}),
    ...(change.kind === "delete" ? { deleted_at: toInstant(change.deletedAtMs) } : {}),
    ...(change.kind === "dead" ? toDeadColumns(change) : {}),
    ...(delivery && {
      svix_id: delivery.svixId,
      type: delivery.type,
      instance_id: delivery.instanceId,
      occurred_at: toInstant(delivery.occurredAtMs),
      received_at: toInstant(delivery.receivedAtMs),
    }),
    ...(options.replay ? { replay: true } : {}),
  });
  const user = change.kind === "upsert" ? change.rawJson : "";
  const payload = delivery ? toStorableText(delivery.payload) : "";
  return {
    json,
    texts: [user, payload],
    size: json.length + user.length + payload.length,
    clerkId: change.clerkId,
    svixId: delivery?.svixId ?? null,
  };
}

function toUserColumns(change: UserChange & { kind: "upsert" }) {
  const { fields } = change;
  return {
    version: change.version,
    clerk_updated_at: toInstant(change.updatedAtMs),
    name: fields.name,
    email: fields.email,
    email_verified: fields.emailVerified,
    image_url: fields.imageUrl,
    login_method: fields.loginMethod,
    role: fields.role,
    last_signed_in: toInstant(fields.lastSignedInMs),
    clerk_created_at: toInstant(fields.clerkCreatedAtMs),
  };
}

function toDeadColumns({ errorCode, refusal }: LedgerOnly) {
  return { error_code: errorCode, ...(refusal && { error_detail: refusal.rule, version: refusal.version }) };
}

function toInstant(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** The arguments of `apply_user_changes`. */
export function toBatch(
  items: readonly BatchItem[],
  defaultTurma: string | undefined,
  options: { lockWaitMs?: number | undefined; leaving?: readonly BatchItem[] | undefined } = {},
): { json: string; texts: string } {
  const texts = items.flatMap((item) => item.texts);
  const separator = toSeparator(texts);
  const head = JSON.stringify({ default_turma: defaultTurma, lock_wait_ms: options.lockWaitMs, separator });
  const listed = (name: string, list: readonly BatchItem[]) =>
    `,"${name}":[${list.map((item) => item.json).join(",")}]`;
  const leaving = options.leaving === undefined ? "" : listed("leaving", options.leaving);
  return { json: `${head.slice(0, -1)}${listed("changes", items)}${leaving}}`, texts: texts.join(separator) };
}

/** Something that none of the texts holds. JSON has no bare control character, but not every payload is JSON. */
function toSeparator(texts: readonly string[]): string {
  let separator = "\u001e";
  while (texts.some((text) => text.includes(separator))) separator = `\u001e${crypto.randomUUID()}`;
  return separator;
}

/** `busy`: another transaction holds a row that the change needs; nothing of it was written. */
export type BatchOutcome = Outcome | "busy";

/** What `apply_user_changes` answers: one outcome per element of the batch, in its order. */
export function parseOutcomes(answer: unknown, count: number): BatchOutcome[] {
  const isOutcome = (value: unknown): value is BatchOutcome =>
    value === "busy" || outcomes.some((outcome) => outcome === value);
  if (!Array.isArray(answer) || answer.length !== count || !answer.every(isOutcome)) {
    throw new Error("apply_user_changes answered something other than one outcome per change");
  }
  return answer;
}
