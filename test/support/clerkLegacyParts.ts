// The pieces of Clerk users of earlier years.
import type { ClerkUser } from "../../src/clerk/clerkApi.ts";
import { externalAccount, type Json } from "../../src/dev/clerk/clerkUserParts.ts";
import { toPartId, type Person } from "../../src/dev/clerk/person.ts";

/** `user` without these keys: older payloads lack what came later. */
export function without(user: object, ...keys: readonly string[]): Json {
  return Object.fromEntries(Object.entries(user).filter(([key]) => !keys.includes(key)));
}

/** A Google account as webhooks had it until 2025: no `provider`, only its object says what it is. */
export function googleAccount(person: Person, changes: Json = {}): Json {
  const { created_at, updated_at, verification } = externalAccount(person, "oauth_google");
  return {
    approved_scopes: "email profile openid",
    created_at,
    email_address: person.email,
    family_name: person.lastName,
    given_name: person.firstName,
    google_id: "100000000000000000000",
    id: toPartId(person, "idn", 20),
    label: null,
    object: "google_account",
    picture: "https://img.example.com/avatar",
    public_metadata: {},
    updated_at,
    username: null,
    verification: without(verification as object, "object"),
    ...changes,
  };
}

/** An address as it was before it had times, `matches_sso_connection` and attempts. */
export function bareEmail(person: Person, changes: Json = {}): Json {
  return {
    email_address: person.email,
    id: toPartId(person, "idn"),
    linked_to: [],
    object: "email_address",
    verification: { status: "verified", strategy: "ticket" },
    ...changes,
  };
}

/** What the dashboard's event catalogue shows, and Clerk's guides with it. */
export function catalogueUser(person: Person, changes: Json = {}): ClerkUser {
  return {
    id: person.clerkId,
    birthday: "",
    created_at: person.createdAtMs,
    email_addresses: [bareEmail(person)],
    external_accounts: [],
    external_id: "567772",
    first_name: person.firstName,
    gender: "",
    image_url: "https://img.clerk.com/made-up",
    last_name: person.lastName,
    last_sign_in_at: person.createdAtMs,
    object: "user",
    password_enabled: true,
    phone_numbers: [],
    primary_email_address_id: toPartId(person, "idn"),
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    private_metadata: {},
    profile_image_url: "https://www.gravatar.com/avatar?d=mp",
    public_metadata: {},
    two_factor_enabled: false,
    unsafe_metadata: {},
    updated_at: person.updatedAtMs,
    username: null,
    web3_wallets: [],
    ...changes,
  };
}

/** The keys `user` has, as this person's. */
export function withId(person: Person, user: Json): ClerkUser {
  return { ...user, id: person.clerkId };
}
