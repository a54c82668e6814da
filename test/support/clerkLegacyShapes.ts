import type { ClerkUser } from "../../src/clerk/clerkApi.ts";
import { baseUser } from "../../src/dev/clerk/clerkUserShapes.ts";
import { bareEmail, catalogueUser, googleAccount, withId, without } from "./clerkLegacyParts.ts";
import { emailAddress, externalAccount, type Json, phoneNumber } from "../../src/dev/clerk/clerkUserParts.ts";
import { toWebhookUser } from "../../src/dev/clerk/clerkWebhookUser.ts";
import { toPartId, type Person } from "../../src/dev/clerk/person.ts";

const toSeconds = (ms: number) => Math.floor(ms / 1000);

const since2025 = ["locale"];
const since2024 = [...since2025, "enterprise_accounts", "mfa_enabled_at", "mfa_disabled_at", "legal_accepted_at"];
const since2023 = [
  ...since2024,
  "last_active_at",
  "passkeys",
  "locked",
  "lockout_expires_in_seconds",
  "verification_attempts_remaining",
];

function googleUser(person: Person): ClerkUser {
  const email = emailAddress(person, { strategy: "from_oauth_google", linkedTo: "oauth_google" });
  return toWebhookUser(
    baseUser(person, {
      has_image: true,
      password_enabled: false,
      email_addresses: [{ ...email, verification: without(email["verification"] as object, "object") }],
      external_accounts: [googleAccount(person)],
    }),
  );
}

/** A Google user of 2021, when a picture had one URL and an account few keys. */
function googleUserOf2021(person: Person, changes: Json): ClerkUser {
  const account = googleAccount(person);
  return withId(person, {
    ...without(
      catalogueUser(person),
      "external_id",
      "image_url",
      "last_sign_in_at",
      "primary_web3_wallet_id",
      "public_metadata",
      "unsafe_metadata",
      "web3_wallets",
    ),
    password_enabled: false,
    email_addresses: [
      bareEmail(person, {
        linked_to: [{ id: account["id"], type: "oauth_google" }],
        verification: { status: "verified", strategy: "from_oauth_google" },
      }),
    ],
    external_accounts: [
      without(account, "created_at", "label", "public_metadata", "updated_at", "username", "verification"),
    ],
    ...changes,
  });
}

/** Older and odder payloads that were seen in the wild or in Clerk's own documents, by what is particular about them. */
export const legacyShapes = {
  google2024: (person) => withId(person, without(googleUser(person), ...since2025)),
  googleUsername2024: (person) =>
    withId(person, { ...without(googleUser(person), ...since2024), username: person.username }),
  google2023: (person) =>
    withId(person, {
      ...without(googleUser(person), ...since2023),
      birthday: "",
      gender: "",
      last_name: null,
      external_accounts: [without(googleAccount(person, { family_name: "" }), "created_at", "updated_at")],
    }),
  catalogue2022: (person) => catalogueUser(person),
  catalogueUpdate2022: (person) =>
    catalogueUser(person, {
      email_addresses: [
        bareEmail(person, {
          reserved: true,
          verification: { attempts: null, expire_at: null, status: "verified", strategy: "admin" },
        }),
      ],
      external_id: null,
      last_name: null,
      last_sign_in_at: null,
    }),
  isoTimestamps2021: (person) =>
    googleUserOf2021(person, {
      created_at: new Date(person.createdAtMs).toISOString().replace("Z", "449Z"),
      updated_at: new Date(person.updatedAtMs).toISOString().replace("Z", "449Z"),
      metadata: {},
    }),
  secondsDanglingPrimary2021: (person) =>
    googleUserOf2021(person, {
      created_at: toSeconds(person.createdAtMs),
      updated_at: toSeconds(person.updatedAtMs),
      last_sign_in_at: toSeconds(person.createdAtMs),
      primary_email_address_id: toPartId(person, "idn", 99),
      public_metadata: { address: { street: "Made-up Avenue", number: "1600" } },
      private_metadata: { app_id: 5 },
    }),
  emailAndPhone2021: (person) => {
    const phone = without(
      phoneNumber(person),
      "default_second_factor",
      "reserved",
      "backup_codes",
      "created_at",
      "updated_at",
    );
    const verification = {
      status: "verified",
      strategy: "phone_code",
      attempts: 1,
      expire_at: toSeconds(person.createdAtMs),
    };
    return withId(person, {
      ...without(
        catalogueUser(person),
        "birthday",
        "external_id",
        "gender",
        "image_url",
        "last_sign_in_at",
        "primary_web3_wallet_id",
        "unsafe_metadata",
        "web3_wallets",
      ),
      username: person.username,
      email_addresses: [bareEmail(person, { verification: { ...verification, strategy: "email_code" } })],
      phone_numbers: [{ ...phone, verification }],
      created_at: toSeconds(person.createdAtMs),
      updated_at: toSeconds(person.updatedAtMs),
    });
  },
  /** A handful of keys, no ids, no primary address. */
  unverifiedFirst: (person) => ({
    id: person.clerkId,
    first_name: person.firstName,
    last_name: person.lastName,
    email_addresses: [
      { email_address: `old.${person.email}`, verification: { status: "unverified" } },
      { email_address: person.email, verification: { status: "verified" } },
    ],
    created_at: person.createdAtMs,
    updated_at: person.updatedAtMs,
  }),
  emailChanged: (person) => ({
    id: person.clerkId,
    first_name: person.firstName,
    last_name: person.lastName,
    email_addresses: [
      { id: toPartId(person, "idn"), email_address: person.email, verification: { status: "verified" } },
      { id: "idn_old_email_id", email_address: `old.${person.email}`, verification: { status: "unverified" } },
    ],
    created_at: person.createdAtMs,
    updated_at: person.updatedAtMs,
  }),
  /** The role is spelled in a way that is none. */
  emptyEmailObject: (person) =>
    withId(person, {
      ...without(baseUser(person), ...since2025, "bypass_client_trust", "requires_password_reset"),
      username: person.username,
      email_addresses: [{}],
      public_metadata: { role: "ADMIN", permissions: [] },
      last_active_at: null,
    }),
  secondFactorAppleError: (person) => {
    const phones = [phoneNumber(person, { nth: 1, status: "expired" }), phoneNumber(person, { forSecondFactor: true })];
    const apple = {
      ...externalAccount(person, "oauth_google"),
      provider: "oauth_apple",
      provider_user_id: "",
      approved_scopes: "",
      email_address: "",
      first_name: "",
      last_name: "",
      verification: {
        status: "expired",
        strategy: "oauth_apple",
        attempts: null,
        expire_at: person.createdAtMs,
        error: { code: "oauth_identification_claimed", message: "Identification claimed by another user" },
      },
    };
    return withId(person, {
      ...without(baseUser(person), ...since2024, "private_metadata", "web3_wallets"),
      two_factor_enabled: true,
      backup_code_enabled: true,
      phone_numbers: phones,
      primary_phone_number_id: phones[1]?.id,
      external_accounts: [apple, externalAccount(person, "oauth_google")],
      organization_memberships: [],
    });
  },
} satisfies Readonly<Record<string, (person: Person) => ClerkUser>>;
