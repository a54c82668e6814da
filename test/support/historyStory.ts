// What the drawn commands mean: a Clerk instance whose users sign up, change, leave and come back.
import type { Fact, Snapshot, Written } from "./clerkFacts.ts";
import { startMs } from "./events.ts";

export interface Command {
  readonly who: number;
  readonly does: "change" | "move" | "touch" | "delete" | "other" | "garbage";
  readonly parts: Partial<Omit<Snapshot, "clerkId" | "updatedAt" | "createdAtMs">>;
  readonly plainAddress: string | null;
  readonly plainStatus: "verified" | "unverified";
  readonly afterMs: number;
  readonly updatedAt: "ms" | "s" | "iso" | "isoBare" | "text" | "absent" | "nonsense";
  readonly envelope: "later" | "same" | "s" | "absent";
  readonly tag: string;
  /** When it arrives; twice in the same slot is at once. */
  readonly slots: readonly number[];
}

/** What people and the rest of the business do meanwhile. */
export interface Operation {
  readonly slot: number;
  readonly does: "register" | "remove" | "unlink" | "resolve" | "resync" | "dryRun" | "replay";
  readonly who: number;
  readonly nth: number;
  readonly email: string | null;
}

export interface History {
  /** With deliveries before each burst that keep the database busy, so that the rest of it shares one batch. */
  readonly crowded: boolean;
  readonly deliveries: readonly { readonly fact: Fact; readonly slots: readonly number[] }[];
  readonly operations: readonly Operation[];
  readonly faults: readonly ("none" | "before" | "after")[];
  /** By id, what the Backend API may ever have answered, oldest first; null: gone. */
  readonly answers: ReadonlyMap<string, readonly (Snapshot | null)[]>;
  /** Who is there at the end. */
  readonly truth: readonly Snapshot[];
  /** By person, the ids they had. */
  readonly ids: readonly (readonly string[])[];
}

const names = ["Alba", "Bruno", "Caio", "Dora"];

export function toHistory(drawn: {
  readonly commands: readonly Command[];
  readonly operations: readonly Operation[];
  readonly faults: History["faults"];
  readonly crowded: boolean;
}): History {
  const people = names.map((name) => ({ name, ids: [] as string[], now: null as Snapshot | null }));
  const answers = new Map<string, (Snapshot | null)[]>();
  let nowMs = startMs;

  function newId(person: (typeof people)[number]): string {
    const id = `user_${person.name}${person.ids.length}`;
    person.ids.push(id);
    return id;
  }

  function tell(command: Command, svixId: string): Fact {
    const person = people[command.who] ?? { name: "Eva", ids: [], now: null };
    nowMs += command.afterMs;
    const envelope = toEnvelope(command.envelope, nowMs);
    const currentId = person.ids.at(-1) ?? null;
    switch (command.does) {
      case "other":
        return { kind: "other", svixId, envelope, clerkId: currentId };
      case "garbage":
        // Without a type it is no event, but whom it is about can be seen.
        return currentId === null
          ? { kind: "garbage", svixId, envelope, clerkId: null, body: "nope" }
          : {
              kind: "garbage",
              svixId,
              envelope,
              clerkId: currentId,
              body: JSON.stringify({ data: { id: currentId } }),
            };
      case "delete": {
        // Of an unknown user, of one who is here, or a repetition.
        const clerkId = currentId ?? newId(person);
        person.now = null;
        answers.set(clerkId, [...(answers.get(clerkId) ?? []), null]);
        return { kind: "deleted", svixId, envelope, clerkId };
      }
      case "change":
      case "move":
      case "touch": {
        const before = person.now ?? toNewcomer(newId(person), nowMs, command);
        const moved = command.does === "move" ? toPlainAddress(command) : {};
        const changed = command.does === "touch" ? before : { ...before, ...command.parts, ...moved };
        person.now = { ...changed, updatedAt: toWritten("ms", nowMs) };
        answers.set(before.clerkId, [...(answers.get(before.clerkId) ?? []), person.now]);
        return {
          kind: "user",
          svixId,
          envelope,
          snapshot: { ...changed, updatedAt: toWritten(command.updatedAt, nowMs) },
        };
      }
    }
  }

  const deliveries = drawn.commands.map((command, place) => ({
    fact: tell(command, `msg_${command.tag}${place}`),
    // Fewer and larger bursts.
    slots: drawn.crowded ? command.slots.map((slot) => Math.floor(slot / 4)) : command.slots,
  }));
  const { operations, faults, crowded } = drawn;
  const truth = people.flatMap((one) => one.now ?? []);
  return { crowded, deliveries, operations, faults, answers, truth, ids: people.map((one) => one.ids) };
}

function toPlainAddress({ plainAddress, plainStatus }: Command): Pick<Snapshot, "addresses" | "primaryId"> {
  return {
    addresses: plainAddress === null ? [] : [{ id: "e0", address: plainAddress, status: plainStatus }],
    primaryId: "e0",
  };
}

function toNewcomer(clerkId: string, nowMs: number, command: Command): Snapshot {
  return {
    clerkId,
    updatedAt: toWritten("ms", nowMs),
    createdAtMs: nowMs,
    ...toPlainAddress(command),
    firstName: "Ana",
    lastName: clerkId.slice(5),
    username: null,
    imageUrl: null,
    provider: null,
    publicMetadata: {},
    unsafeMetadata: {},
  };
}

function toWritten(form: Command["updatedAt"], ms: number): Written {
  switch (form) {
    case "ms":
      return { value: ms, meansMs: ms };
    case "s":
      return { value: Math.floor(ms / 1000), meansMs: Math.floor(ms / 1000) * 1000 };
    case "iso":
      return { value: new Date(ms).toISOString(), meansMs: ms };
    case "isoBare":
      return { value: new Date(ms).toISOString().slice(0, -1).replace("T", " "), meansMs: ms };
    case "text":
      return { value: String(ms), meansMs: ms };
    case "nonsense":
      return { value: "soon", meansMs: null };
    case "absent":
      return { value: undefined, meansMs: null };
  }
}

function toEnvelope(form: Command["envelope"], ms: number): Written {
  if (form === "absent") return toWritten("absent", ms);
  return toWritten(form === "s" ? "s" : "ms", form === "later" ? ms + 20 : ms);
}
