// Histories of a Clerk instance, and of how they reach us. Everything is derived from plain values, so that a failing
// history shrinks and a seed repeats it.
import * as fc from "fast-check";
import { toHistory, type Command, type History, type Operation } from "./historyStory.ts";

const addresses = {
  // All of these but the last four are one address.
  verifiedOften: ["x@t.io", "X@t.io", " x@T.io\t", "\u00a0x@t.io", "x\u0000@t.io"],
  others: ["y@t.io", "Y@t.io ", "z@t.io", "é@t.io", "É@t.io", "\ud800w@t.io", `${"a".repeat(330)}@t.io`, " "],
};
const spelling = fc.constantFrom(...addresses.verifiedOften, ...addresses.others);
const text = fc.constantFrom("Ana", " Bia ", "", "\u0000Z\u00e9\udc00", "\u202eabc", "n".repeat(300), "😀", null);
const status = fc.constantFrom("verified", "verified", "verified", "unverified", "expired", null);

/** What a user is, or what a change changes: absent parts stay. */
const parts = fc.record(
  {
    addresses: fc.array(fc.record({ id: fc.constantFrom("e0", "e1", null), address: spelling, status }), {
      maxLength: 3,
    }),
    primaryId: fc.constantFrom("e0", "e0", "e1", "gone", null),
    firstName: text,
    lastName: text,
    username: fc.constantFrom(null, "ana", " "),
    imageUrl: fc.constantFrom(null, "https://img.t.io/a.png", `https://img.t.io/${"i".repeat(600)}`),
    provider: fc.constantFrom(null, "google"),
    publicMetadata: fc.record(
      {
        role: fc.constantFrom<unknown[]>("admin", "user", "owner", null, ["admin"]),
        turma: fc.constantFrom<unknown[]>("neon_escala", "neon_estrutura", "nope", 5),
        odd: fc.constantFrom("a\u0000b", "\\u0000", "\udfff"),
      },
      { requiredKeys: [] },
    ),
    unsafeMetadata: fc.constantFrom({}, { role: "admin" }),
  },
  { requiredKeys: [] },
);

const often = <const T>(usual: T, ...rare: T[]) => fc.constantFrom(usual, usual, usual, usual, ...rare);

const command: fc.Arbitrary<Command> = fc.record({
  who: fc.nat({ max: 3 }),
  does: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom("change", "move", "move") },
    { weight: 3, arbitrary: fc.constantFrom("delete", "delete", "touch") },
    { weight: 1, arbitrary: fc.constantFrom("other", "garbage") },
  ),
  parts: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: parts }),
  /** Most users have one verified address, and few have another; the rest is for `parts`. */
  plainAddress: fc.constantFrom("x@t.io", "x@t.io", "X@T.IO", "y@t.io", "z@t.io", null),
  plainStatus: often("verified", "unverified"),
  afterMs: fc.constantFrom(1, 0, 0, 20, 1000, 60_000),
  updatedAt: often("ms", "s", "iso", "isoBare", "text", "absent", "nonsense"),
  envelope: often("later", "same", "s", "absent"),
  tag: fc.constantFrom("m", "a", "z"),
  slots: fc.oneof(
    { weight: 5, arbitrary: fc.nat({ max: 9 }).map((slot) => [slot]) },
    { weight: 2, arbitrary: fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 4 }) },
  ),
});

const registeredEmail: fc.Arbitrary<string | null> = fc.oneof(
  fc.constantFrom("x@t.io", "X@t.io\t", "y@t.io"),
  fc.option(spelling),
);

const operation: fc.Arbitrary<Operation> = fc.record({
  slot: fc.nat({ max: 9 }),
  does: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("register") },
    { weight: 4, arbitrary: fc.constantFrom("remove", "unlink", "resolve", "replay") },
    { weight: 3, arbitrary: fc.constantFrom("resync", "resync", "dryRun") },
  ),
  who: fc.nat({ max: 3 }),
  nth: fc.nat({ max: 7 }),
  email: registeredEmail,
});

/** How often a call to the database fails before it was made, or after it was committed. */
const faults = fc.array(often<History["faults"][number]>("none", "before", "after"), { maxLength: 6 });

export const history: fc.Arbitrary<History> = fc
  .record({
    commands: fc.array(command, { minLength: 1, maxLength: 20, size: "max" }),
    operations: fc.array(operation, { maxLength: 6, size: "max" }),
    faults,
    crowded: fc.boolean(),
  })
  .map(toHistory);

/** Some deliveries never come, and every one that does says as of when it is. */
export const lossyHistory: fc.Arbitrary<History> = fc
  .record({
    commands: fc.array(
      fc
        .record({ drawn: command, updatedAt: often("ms", "iso", "text"), lost: often(false, true) })
        .map(({ drawn, updatedAt, lost }): Command => ({ ...drawn, updatedAt, slots: lost ? [] : drawn.slots })),
      { minLength: 1, maxLength: 20, size: "max" },
    ),
    operations: fc.array(operation, { maxLength: 6 }),
  })
  .map(({ commands, operations }) => toHistory({ commands, operations, faults: [], crowded: false }));

/** Nothing but what Clerk tells. */
export const clerkOnlyHistory = (commandsMax: number): fc.Arbitrary<History> =>
  fc
    .array(command, { minLength: 2, maxLength: commandsMax, size: "max" })
    .map((commands) => toHistory({ commands, operations: [], faults: [], crowded: false }));
