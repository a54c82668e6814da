import { type ClerkEvent, otherEvents, toEvent } from "./clerk/clerkEvents.ts";
import { currentShapes } from "./clerk/clerkUserShapes.ts";
import type { Person } from "./clerk/person.ts";
import type { SimulatedClerk } from "./clerk/simulatedClerk.ts";

/** Mentorados registered before the first sign-up. */
export const registeredMentorados = [
  { nomeCompleto: "Bia Registrada", email: "bia@example.com", turma: "neon_escala" },
  { nomeCompleto: "Duda Um", email: "duda@example.com", turma: "neon_estrutura" },
  { nomeCompleto: "Duda Dois", email: "DUDA@example.com", turma: "neon_escala" },
] as const;

/** One delivery of the demo and the answer that it must get. */
export interface DemoDelivery {
  readonly what: string;
  readonly event: ClerkEvent;
  /** The status and the outcome or error code. */
  readonly expected: string;
  /** Signed with a key that is not Clerk's. */
  readonly forged?: boolean;
}

/** The link status that each user must have at the end. */
export const expectedLinks: Readonly<Record<string, string>> = {
  user_ana: "linked",
  user_bia: "linked",
  user_caio: "unverified",
  user_duda: "conflict",
  user_edu: "none",
  user_fabi: "none",
  user_gil: "linked",
};

/** The user whose last webhook is lost. */
export const lostWebhookUser = "user_gil";

/** Makes the changes in the simulated Clerk. Returns the deliveries in the order in which they are to arrive. */
export function makeDemoDeliveries({ changes, directory, instanceId }: SimulatedClerk): readonly DemoDelivery[] {
  const person = (name: string): Person => ({
    ...directory.newPerson(),
    clerkId: `user_${name.toLowerCase()}`,
    firstName: name,
    email: `${name.toLowerCase()}@example.com`,
    username: name.toLowerCase(),
  });
  const signUp = (name: string, shape: keyof typeof currentShapes = "emailCode") =>
    changes.createUser(currentShapes[shape](person(name)));

  const anaSignsUp = signUp("Ana");
  const anaRenamed = changes.updateUser("user_ana", { last_name: "Antiga" });
  const anaRenamedAgain = changes.updateUser("user_ana", { last_name: "Nova" });
  const eduSignsUp = signUp("Edu");
  const eduLeaves = changes.deleteUser("user_edu");
  const fabiSignsUp = signUp("Fabi");
  const fabiLeaves = changes.deleteUser("user_fabi");
  const gilSignsUp = signUp("Gil", "admin");
  const event = (type: string, data: unknown) =>
    toEvent(type, null, data, { svixId: `msg_${type.replace(".", "")}`, timestampMs: Date.now(), instanceId });
  const deliveries: DemoDelivery[] = [
    { what: "Ana signs up", event: anaSignsUp, expected: "200 applied" },
    { what: "Ana's second update, before the first", event: anaRenamedAgain, expected: "200 applied" },
    { what: "Ana's first update, too late", event: anaRenamed, expected: "200 stale" },
    { what: "Ana's second update once more", event: anaRenamedAgain, expected: "200 duplicate" },
    { what: "Bia signs up; a mentorado has her address", event: signUp("Bia", "google"), expected: "200 applied" },
    { what: "Caio's address is not verified", event: signUp("Caio", "unverified"), expected: "200 applied" },
    { what: "Duda signs up; two mentorados match", event: signUp("Duda"), expected: "200 applied" },
    { what: "Edu's deletion, before his sign-up", event: eduLeaves, expected: "200 applied" },
    { what: "Edu's sign-up, too late", event: eduSignsUp, expected: "200 stale" },
    { what: "Fabi signs up", event: fabiSignsUp, expected: "200 applied" },
    { what: "Fabi is deleted", event: fabiLeaves, expected: "200 applied" },
    { what: "Gil signs up; an admin by public_metadata", event: gilSignsUp, expected: "200 applied" },
    {
      what: "an event about a session",
      event: event("session.created", otherEvents["session.created"]?.("user_ana")),
      expected: "200 ignored",
    },
    {
      what: "a forgery",
      event: event("user.deleted", { id: "user_ana" }),
      forged: true,
      expected: "400 invalid_signature",
    },
    { what: "signed, but without a user", event: event("user.updated", {}), expected: "422 invalid_event" },
  ];
  // A change in the directory sends no webhook: it is the lost one.
  directory.update(lostWebhookUser, { first_name: "Gilberto", last_name: "Perdido" });
  return deliveries;
}
