import type { Delivery, UserChange, UserFields } from "../../domain/userChange.ts";
import { toVersionKey } from "../../domain/versionKey.ts";
import { toBatch, toBatchItem } from "../users/batchItem.ts";

/** One step; see rehearse_step in rehearse.sql for its fields. */
export interface RehearsalStep {
  /** Completes "Seen when …". */
  readonly name: string;
  readonly does: "apply" | "report" | "link_decision" | "run" | "retention";
  readonly expected: unknown;
  readonly [field: string]: unknown;
}

/** This step fails if a trigger rewrites values, which is a warning only. */
export const comparedStep = "an unchanged user is compared again (a reconcile does this and would report drift)";
/** Creation of the made-up users, epoch milliseconds; only the order of times matters. */
const startMs = Date.UTC(2026, 0, 1);
/** Maximum length of a Clerk id after `user_`. */
const idCharsMax = 59;
/** First and last name of 255 characters each, in letters of four bytes. */
const longName = `${"𝒶".repeat(255)} ${"𝒷".repeat(255)}`;
const longUrl = `https://rehearsal.invalid/${"p".repeat(1_200)}`;

/**
 * The steps of a rehearsal; together they use every write path. Ids and addresses are random, and addresses end in
 * `.invalid`, so that no real row matches.
 * @param defaultTurma a label of the enum
 */
export function toRehearsalSteps(defaultTurma: string): RehearsalStep[] {
  const tag = toTag();
  const address = (name: string) => `${name}${tag}@r.invalid`;
  const longAddress = `${tag.padEnd(64, "l")}@${"d".repeat(247)}.invalid`;
  // Two ids that differ in case only, of users with the same name, picture and sign-in method.
  const [first, second] = [`user_Rehearsal${tag}`, `user_rehearsal${tag}`].map((id) =>
    id.padEnd(5 + idCharsMax, "x"),
  ) as [string, string];
  const other = (name: string) => `user_rehearsal${tag}${name}`;
  const svix = (nth: number) => `msg_rehearsal${tag}${nth}`;
  const apply = (name: string, expected: readonly string[], changes: readonly UserChange[], clerkId?: string) =>
    toApplyStep({ name, expected, changes, clerkId, defaultTurma });

  const created = upsert(first, { email: address("A") }, { svixId: svix(1) });
  const moved = upsert(first, { email: address("Moved"), role: "admin" }, { svixId: svix(2), laterMs: 1_000 });
  const namesake = upsert(second, { email: address("b") }, { svixId: svix(3) });
  const renamed = upsert(second, { email: address("b"), name: "Other rehearsal" }, { laterMs: 1_000 });
  const longest = { name: longName, email: longAddress, imageUrl: longUrl, loginMethod: "m".repeat(64) };
  const bare = { name: null, emailVerified: false, imageUrl: null, loginMethod: null };
  return [
    apply("a user is created", ["applied"], [created], first),
    apply("a delivery is repeated", ["duplicate"], [created]),
    apply(comparedStep, ["unchanged"], [upsert(first, { email: address("A") })]),
    apply("a user and the address are changed", ["applied"], [moved]),
    apply("a second user of the same name is created", ["applied"], [namesake], second),
    apply(
      "users without name and address are created",
      ["applied", "applied"],
      [upsert(other("C"), bare), upsert(other("D"), bare)],
    ),
    apply("a user with the longest values is created", ["applied"], [upsert(other("E"), longest, { svixId: svix(4) })]),
    { ...apply("a user is re-synced in a dry run", ["applied"], [renamed]), does: "report" },
    {
      name: "an operator unlinks a mentorado and links it again",
      does: "link_decision",
      clerk_id: second,
      expected: ["conflict", "linked"],
    },
    apply("users are deleted", ["applied", "applied"], [deletion(first, svix(5)), deletion(other("F"))]),
    apply(
      "a user gets the mentorado of a deleted one",
      ["applied"],
      [upsert(other("G"), { email: address("a") })],
      other("G"),
    ),
    apply(
      "events without effect are stored",
      ["ignored", "dead"],
      [ledgerOnly("ignored", svix(6)), ledgerOnly("dead", svix(7))],
    ),
    toRunStep(upsert(other("H"), bare), defaultTurma),
    { name: "old events are deleted", does: "retention", svix_ids: [svix(1), svix(7)], expected: [] },
  ];
}

/** One step per label: a new user whose `public_metadata.turma` is that label. */
export function toTurmaSteps(labels: readonly string[], defaultTurma: string): RehearsalStep[] {
  const tag = toTag();
  return labels.map((label, place) => {
    const clerkId = `user_rehearsal${tag}T${place}`;
    const user = upsert(clerkId, { email: `t${place}${tag}@r.invalid` }, { turma: label });
    const name = `a new user's public_metadata.turma is ${label}`;
    return toApplyStep({ name, expected: ["applied"], changes: [user], clerkId, defaultTurma });
  });
}

function toTag(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 10);
}

/** @param input.clerkId the user who is to be found stored, and linked, after it */
function toApplyStep(input: {
  name: string;
  expected: readonly string[];
  changes: readonly UserChange[];
  clerkId: string | undefined;
  defaultTurma: string;
}): RehearsalStep {
  const { name, expected, changes, clerkId, defaultTurma } = input;
  const { batch, texts } = toArguments(changes, defaultTurma);
  const found = clerkId === undefined ? expected : [...expected, "synced", "linked"];
  return { name, does: "apply", batch, texts, expected: found, ...(clerkId !== undefined && { clerk_id: clerkId }) };
}

/** A run of its own kind, so that it does not conflict with a real run. */
function toRunStep(change: UserChange, defaultTurma: string): RehearsalStep {
  const { batch, texts } = toArguments([change], defaultTurma);
  const runId = crypto.randomUUID();
  const common = { run_id: runId, owner: runId, lease_ms: 1_000 };
  const kind = { kind: "rehearsal", dry_run: false, started_by: "person", full: true, resume_ms: 1_000 };
  return {
    name: "a run writes a page",
    does: "run",
    open: { ...common, ...kind },
    page: { ...common, step: 0, seen: 1, clerk_ids: [change.clerkId], cursor: {}, batch },
    texts,
    expected: { state: "saved", busy: [] },
  };
}

function toArguments(changes: readonly UserChange[], defaultTurma: string) {
  const { json, texts } = toBatch(
    changes.map((change) => toBatchItem(change)),
    defaultTurma,
  );
  return { batch: JSON.parse(json) as unknown, texts };
}

function upsert(
  clerkId: string,
  fields: Partial<UserFields>,
  options: { svixId?: string; laterMs?: number; turma?: string } = {},
): UserChange {
  const updatedAtMs = startMs + (options.laterMs ?? 0);
  const { svixId, turma } = options;
  return {
    kind: "upsert",
    source: svixId === undefined ? "backfill" : "webhook",
    clerkId,
    version: toVersionKey({ updatedAtMs, fromApi: svixId === undefined, ...(svixId && { svixId }) }),
    updatedAtMs,
    fields: {
      name: "Rehearsal 🧪 Ação",
      email: null,
      emailVerified: true,
      imageUrl: "https://rehearsal.invalid/picture.png",
      loginMethod: "email",
      role: null,
      lastSignedInMs: startMs,
      clerkCreatedAtMs: startMs,
      ...fields,
    },
    rawJson: JSON.stringify({ id: clerkId, ...(turma !== undefined && { public_metadata: { turma } }) }),
    ...(svixId !== undefined && { delivery: toDelivery(svixId, "user.updated") }),
  };
}

function deletion(clerkId: string, svixId?: string): UserChange {
  const source = svixId === undefined ? "reconcile" : "webhook";
  const delivery = svixId === undefined ? {} : { delivery: toDelivery(svixId, "user.deleted") };
  return { kind: "delete", source, clerkId, deletedAtMs: startMs + 2_000, ...delivery };
}

function ledgerOnly(kind: "ignored" | "dead", svixId: string): UserChange {
  const errorCode = kind === "dead" ? "not_an_event" : null;
  return { kind, source: "webhook", clerkId: null, errorCode, delivery: toDelivery(svixId, "rehearsal") };
}

function toDelivery(svixId: string, type: string): Delivery {
  return { svixId, type, instanceId: null, occurredAtMs: startMs, receivedAtMs: startMs, payload: "{}" };
}
