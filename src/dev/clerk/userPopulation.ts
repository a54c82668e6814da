import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { currentShapes } from "./clerkUserShapes.ts";
import { createPerson, firstUpdateMs } from "./person.ts";
import { fromIdText, mix, toIdText } from "./seeded.ts";

/** A million users signed up in two years: one a minute. */
const signUpEveryMs = 60_000;
const firstSignUpMs = Date.UTC(2023, 0, 1);
/** Of every 50,000 users, 3,000 came in one import and share a millisecond. */
const blockUsers = 50_000;
const importFrom = 1_000;
const importUsers = 3_000;

/** How often a shape occurs, in per cent; the rest signed up with an address and a code. */
const shares: readonly (readonly [keyof typeof currentShapes, number])[] = [
  ["google", 22],
  ["github", 7],
  ["emailCodeWithoutName", 5],
  ["unverified", 3],
  ["phoneOnly", 2],
  ["twoEmails", 2],
  ["usernameOnly", 1],
  ["admin", 1],
  ["banned", 1],
];
const shapeOf = shares.flatMap(([shape, percent]) => Array.from({ length: percent }, () => shape));

/** Users numbered from 0 in the order of their `created_at`, each generated when it is read. */
export interface UserPopulation {
  readonly size: number;
  readonly userAt: (index: number) => ClerkUser;
  readonly idAt: (index: number) => string;
  readonly findIndex: (clerkId: string) => number | undefined;
  /** Epoch milliseconds; never falls with the index. */
  readonly createdAtMs: (index: number) => number;
  readonly updatedAtMs: (index: number) => number;
}

/** The same users for the same seed. */
export function createUserPopulation({ seed, size }: { seed: number; size: number }): UserPopulation {
  return {
    size,
    userAt: (index) => {
      const shape = shapeOf[mix(seed + 7, index) % 100] ?? "emailCode";
      return currentShapes[shape](createPerson(seed, index, toCreatedAtMs(index)));
    },
    idAt: (index) => `user_${toIdText(seed, index)}`,
    findIndex: (clerkId) => {
      const index = fromIdText(seed, clerkId.slice("user_".length));
      return index !== undefined && index < size ? index : undefined;
    },
    createdAtMs: toCreatedAtMs,
    updatedAtMs: (index) => toCreatedAtMs(index) + firstUpdateMs,
  };
}

function toCreatedAtMs(index: number): number {
  const within = index % blockUsers;
  const minutes =
    within < importFrom ? within : within < importFrom + importUsers ? importFrom : within - importUsers + 1;
  return firstSignUpMs + (index - within + minutes) * signUpEveryMs;
}
