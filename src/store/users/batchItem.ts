import { outcomes, type Outcome } from "../../domain/outcome.ts";
import { toStorableText } from "../../domain/storableText.ts";
import type { UserChange } from "../../domain/userChange.ts";

/** One change, serialised for `apply_user_changes`. */
export interface BatchItem {
  /** The change as a row, the Clerk user as JSON and the ledger's payload; empty: none. */
  readonly texts: readonly [string, string, string];
  /** UTF-16 units of all three. */
  readonly size: number;
  readonly clerkId: string | null;
  readonly svixId: string | null;
  readonly kind: UserChange["kind"];
  readonly isReplay: boolean;
}

/**
 * Serialises one change. With `replay` an event that the ledger has as `dead` or `ignored` is reprocessed; without it
 * only a refused one is, and any other is a repetition.
 */
export function toBatchItem(change: UserChange, { replay = false }: { replay?: boolean } = {}): BatchItem {
  const { clerkId, delivery } = change;
  const row = toRowText(toChangeFields(change, replay));
  const user = change.kind === "upsert" ? change.rawJson : "";
  const payload = delivery ? toStorableText(delivery.payload) : "";
  return {
    texts: [row, user, payload],
    size: row.length + user.length + payload.length,
    clerkId,
    svixId: delivery?.svixId ?? null,
    kind: change.kind,
    isReplay: replay,
  };
}

type ChangeField = string | boolean | null | undefined;

/** The fields of the SQL type `change`, in its order. */
function toChangeFields(change: UserChange, replay: boolean): ChangeField[] {
  const { delivery } = change;
  const upsert = change.kind === "upsert" ? change : undefined;
  const fields = upsert?.fields;
  const dead = change.kind === "dead" ? change : undefined;
  return [
    change.kind,
    change.source,
    change.clerkId,
    upsert?.version ?? dead?.refusal?.version,
    toInstant(upsert?.updatedAtMs),
    fields?.name,
    fields?.email,
    fields?.emailVerified,
    fields?.imageUrl,
    fields?.loginMethod,
    fields?.role,
    toInstant(fields?.lastSignedInMs),
    toInstant(fields?.clerkCreatedAtMs),
    change.kind === "delete" ? toInstant(change.deletedAtMs) : null,
    delivery?.svixId,
    delivery?.type,
    delivery?.instanceId,
    toInstant(delivery?.occurredAtMs),
    toInstant(delivery?.receivedAtMs),
    replay,
    dead?.errorCode,
    dead?.refusal?.rule,
  ];
}

function toInstant(ms: number | null | undefined): string | null {
  return ms == null ? null : new Date(ms).toISOString();
}

/** A composite value in Postgres' text format: empty for null, quotes and backslashes doubled. */
function toRowText(changeFields: readonly ChangeField[]): string {
  const fields = changeFields.map((value) => (value == null ? "" : `"${String(value).replaceAll(/["\\]/g, "$&$&")}"`));
  return toStorableText(`(${fields.join(",")})`);
}

/** The arguments of `apply_user_changes`. */
export function toBatch(
  items: readonly BatchItem[],
  defaultTurma: string | undefined,
  options: { lockWaitMs?: number | undefined; leaving?: readonly BatchItem[] | undefined } = {},
): { json: string; texts: string } {
  const texts = items.flatMap((item) => item.texts);
  const separator = toSeparator(texts);
  const json = JSON.stringify({
    default_turma: defaultTurma,
    lock_wait_ms: options.lockWaitMs,
    separator,
    has_deletions: items.some((item) => item.kind === "delete"),
    has_upserts: items.some((item) => item.kind === "upsert"),
    has_replays: items.some((item) => item.isReplay),
    leaving: options.leaving?.map(({ texts: [row] }) => row),
  });
  return { json, texts: texts.join(separator) };
}

/** A separator that no text contains. JSON never contains this control character, but a payload need not be JSON. */
function toSeparator(texts: readonly string[]): string {
  let separator = "\u001e";
  while (texts.some((text) => text.includes(separator))) separator = `\u001e${crypto.randomUUID()}`;
  return separator;
}

/** `busy`: another transaction has locked a row that the change needs; nothing of it was written. */
export type BatchOutcome = Outcome | "busy";

/** Checks the outcomes from `apply_user_changes`: one per change, in order. */
export function parseOutcomes(answer: unknown, count: number): BatchOutcome[] {
  const isOutcome = (value: unknown): value is BatchOutcome =>
    value === "busy" || outcomes.some((outcome) => outcome === value);
  if (!Array.isArray(answer) || answer.length !== count || !answer.every(isOutcome)) {
    throw new Error("apply_user_changes did not return one outcome per change");
  }
  return answer;
}
