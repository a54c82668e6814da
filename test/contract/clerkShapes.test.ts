import { expect, test } from "bun:test";
import type { ClerkUser } from "../../src/clerk/clerkApi.ts";
import { deletionEvent, type EnvelopeForm, otherEvents, toEvent, userEvent } from "../../src/dev/clerk/clerkEvents.ts";
import { legacyShapes } from "../support/clerkLegacyShapes.ts";
import { currentShapes } from "../../src/dev/clerk/clerkUserShapes.ts";
import { createPerson, type Person } from "../../src/dev/clerk/person.ts";
import { toUserUpsert } from "../../src/clerk/userChange.ts";
import { openTestApp } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

const t = openForFile(() => openTestApp());

const createdAtMs = Date.UTC(2025, 5, 1, 9, 30, 15);
let people = 0;
let events = 0;
const newPerson = () => createPerson(3, people++, createdAtMs + 250);
const envelope = (form: EnvelopeForm = "current") => ({
  svixId: `msg_shape_${++events}`,
  timestampMs: createdAtMs + 300,
  instanceId: "ins_1",
  form,
});
const deliver = (event: { svixId: string; body: string }) => t.deliver(event.body, { svixId: event.svixId });

const fullName = (person: Person) => `${person.firstName} ${person.lastName}`;
const firstName = (person: Person) => person.firstName;
const username = (person: Person) => person.username;
const noAccount = () => null;

/** What the row must say: name, whether there is an address and it is verified, how they sign in, role. */
type Row = readonly [
  (person: Person) => string | null,
  "verified" | "unverified" | "none",
  string | null,
  "user" | "admin",
];
const plain: Row = [fullName, "verified", "email", "user"];
const google: Row = [fullName, "verified", "google", "user"];

const current: Record<keyof typeof currentShapes, Row> = {
  emailCode: plain,
  emailCodeWithoutName: [noAccount, "verified", "email", "user"],
  google,
  googleLinkedLater: google,
  github: [firstName, "verified", "github", "user"],
  madeByAdmin: [noAccount, "verified", "email", "user"],
  unverified: [fullName, "unverified", "email", "user"],
  twoEmails: plain,
  twoEmailsWithoutPrimary: plain,
  verificationNull: [fullName, "unverified", "email", "user"],
  phoneOnly: [fullName, "none", "phone", "user"],
  usernameOnly: [username, "none", "username", "user"],
  walletOnly: [noAccount, "none", "web3", "user"],
  enterprise: [fullName, "verified", "enterprise", "user"],
  banned: plain,
  locked: plain,
  passkeys: plain,
  admin: [fullName, "verified", "email", "admin"],
  unsafeRole: google,
  metadataNull: plain,
  everything: google,
  fromTheFuture: plain,
};
const legacy: Record<keyof typeof legacyShapes, Row> = {
  google2024: google,
  googleUsername2024: google,
  google2023: [firstName, "verified", "google", "user"],
  catalogue2022: plain,
  catalogueUpdate2022: [firstName, "verified", "email", "user"],
  isoTimestamps2021: google,
  secondsDanglingPrimary2021: google,
  emailAndPhone2021: plain,
  unverifiedFirst: plain,
  emailChanged: plain,
  emptyEmailObject: [fullName, "none", "username", "user"],
  secondFactorAppleError: google,
};
const cases: [string, Row, (person: Person) => ClerkUser][] = [
  ...Object.entries(currentShapes).map(([name, build]): (typeof cases)[number] => [
    name,
    current[name as keyof typeof currentShapes],
    build,
  ]),
  ...Object.entries(legacyShapes).map(([name, build]): (typeof cases)[number] => [
    name,
    legacy[name as keyof typeof legacyShapes],
    build,
  ]),
];

async function rowOf(clerkId: string) {
  const { user, link, mentorado } = await t.services.users.getUser(clerkId);
  return { user, link, mentorado };
}

test.each(cases)("a webhook of the shape %s is applied and stores the right row", async (name, row, build) => {
  const person = newPerson();
  const [toName, address, loginMethod, role] = row;
  const user = build(person);
  expect(await deliver(userEvent("user.created", user, envelope()))).toMatchObject({ status: 200, said: "applied" });
  const { user: stored, link, mentorado } = await rowOf(person.clerkId);
  const inSeconds = typeof user["updated_at"] === "number" && user["updated_at"] < 1e11;
  expect(stored).toMatchObject({
    name: toName(person),
    email: address === "none" ? null : person.email,
    emailVerified: address === "verified",
    loginMethod,
    role,
    clerkUpdatedAt: new Date(
      inSeconds ? Math.floor(person.updatedAtMs / 1000) * 1000 : person.updatedAtMs,
    ).toISOString(),
  });
  expect(link).toBe(address === "none" ? "no_email" : address === "unverified" ? "unverified" : "linked");
  if (link === "linked") {
    expect(mentorado).toMatchObject({
      nomeCompleto: toName(person) ?? person.email.split("@")[0],
      email: person.email,
      turma: name === "admin" ? "neon_escala" : "neon_estrutura",
    });
  }
});

test.each(cases)("the shape %s has the same content by webhook and from the API", (_, __, build) => {
  const user = build(newPerson());
  const { body } = userEvent("user.updated", user, envelope());
  const fromWebhook = (JSON.parse(body) as { data: ClerkUser }).data;
  const from = { source: "resync", requestedAtMs: 1 } as const;
  expect(toUserUpsert(fromWebhook, from).fields).toEqual(toUserUpsert(user, from).fields);
});

test("a user of any shape stored by webhook is unchanged from the API, and the other way round", async () => {
  const users = Object.values(currentShapes).map((build) => build(newPerson()));
  for (const user of users) await deliver(userEvent("user.created", user, envelope()));
  const api = users.map((user) => toUserUpsert(user, { source: "reconcile", requestedAtMs: createdAtMs }));
  expect(new Set(await Promise.all(api.map((change) => t.services.users.applyChange(change))))).toEqual(
    new Set(["unchanged"]),
  );
  const changed = users.map((user) => ({ ...user, locale: "fr-CA" }));
  const others = changed.map((user) => toUserUpsert(user, { source: "reconcile", requestedAtMs: createdAtMs }));
  expect(new Set(await Promise.all(others.map((change) => t.services.users.applyChange(change))))).toEqual(
    new Set(["applied"]),
  );
  for (const user of changed) {
    const later = { ...user, updated_at: createdAtMs + 60_000 };
    expect((await deliver(userEvent("user.updated", later, envelope()))).said).toBe("unchanged");
  }
});

test.each<EnvelopeForm>(["current", "withoutInstance", "withoutAttributes", "bare", "seconds"])(
  "sign-up, update and deletion in an envelope of the form %s are taken",
  async (form) => {
    const person = newPerson();
    const user = currentShapes.emailCode(person);
    const later = { ...user, first_name: "Later", updated_at: person.updatedAtMs + 5 };
    const [created, updated, deleted] = [
      userEvent("user.created", user, envelope(form)),
      userEvent("user.updated", later, envelope(form)),
      deletionEvent(person.clerkId, envelope(form), { external_id: "ex_1" }),
    ];
    for (const event of [created, updated, deleted]) {
      expect(await deliver(event)).toMatchObject({ status: 200, said: "applied" });
    }
    expect((await rowOf(person.clerkId)).user).toMatchObject({ name: null, email: null, clerkId: person.clerkId });
  },
);

test("a deletion without a user id is rejected for good (422), and kept", async () => {
  const answer = await deliver(toEvent("user.deleted", null, { deleted: true, object: "user" }, envelope()));
  expect(answer).toMatchObject({ status: 422, said: "invalid_event" });
  expect(answer.headers.get("webhook-delivery")).toBe("abort-message");
});

test.each(Object.entries(otherEvents))("an event of the type %s is ignored and stores no user", async (type, build) => {
  const { clerkId } = newPerson();
  expect(await deliver(toEvent(type, clerkId, build(clerkId), envelope()))).toMatchObject({
    status: 200,
    said: "ignored",
  });
  expect((await rowOf(clerkId)).user).toBeNull();
});
