import { mix, toIdText } from "./seeded.ts";

/** A made-up person, from whom users of any shape are made. */
export interface Person {
  readonly seed: number;
  readonly sequence: number;
  /** `user_…` */
  readonly clerkId: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly email: string;
  readonly username: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** Live users carry an `updated_at` some 20 ms after their `created_at`. */
export const firstUpdateMs = 18;

const firstNames = [
  "Ana",
  "Bruno",
  "Çağrı Göğüş",
  "Débora",
  "Eduardo",
  "Fátima",
  "Gilberto",
  "Helena",
  "Ítalo",
  "João",
  "Łucja",
  "Mária",
  "Nguyễn",
  "Özlem",
  "王芳",
  "Zoë 🌸",
];
const lastNames = [
  "Souza",
  "Araújo",
  "Şen",
  "Conceição",
  "D'Ávila",
  "Fernandes",
  "Guimarães",
  "Hübner",
  "Ibáñez",
  "Jiménez",
  "Kowalska",
  "Lima",
  "Magalhães",
  "Núñez",
  "О'Коннор",
  "Vasconcelos",
];

/** The same person for the same seed and sequence number; no two share an address. */
export function createPerson(seed: number, sequence: number, createdAtMs: number): Person {
  const chance = mix(seed, sequence);
  return {
    seed,
    sequence,
    clerkId: `user_${toIdText(seed, sequence)}`,
    firstName: firstNames[chance & 15] ?? "",
    lastName: lastNames[(chance >>> 4) & 15] ?? "",
    email: `mentee.${sequence}.s${seed}@example.com`,
    username: `mentee_${sequence}_s${seed}`,
    createdAtMs,
    updatedAtMs: createdAtMs + firstUpdateMs,
  };
}

/** Id of a part of the user, such as `idn_…`; `nth` tells several of a kind apart. */
export function toPartId(person: Person, prefix: string, nth = 0): string {
  return `${prefix}_${toIdText(person.seed + 1 + nth, person.sequence)}`;
}
