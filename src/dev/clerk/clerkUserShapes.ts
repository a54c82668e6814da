import type { ClerkUser } from "../../clerk/clerkApi.ts";
import {
  emailAddress,
  enterpriseAccount,
  externalAccount,
  type Json,
  passkey,
  phoneNumber,
  samlAccount,
  web3Wallet,
} from "./clerkUserParts.ts";
import type { Person } from "./person.ts";

/** A person with one verified address and a password, as the Backend API of 2026 sends them; `changes` on top. */
export function baseUser(person: Person, changes: Json = {}): ClerkUser {
  const email = emailAddress(person);
  return {
    id: person.clerkId,
    object: "user",
    username: null,
    first_name: person.firstName,
    last_name: person.lastName,
    locale: null,
    image_url: "https://img.clerk.com/made-up",
    has_image: false,
    primary_email_address_id: email["id"],
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    password_enabled: true,
    two_factor_enabled: false,
    totp_enabled: false,
    backup_code_enabled: false,
    email_addresses: [email],
    phone_numbers: [],
    web3_wallets: [],
    passkeys: [],
    external_accounts: [],
    saml_accounts: [],
    enterprise_accounts: [],
    password_last_updated_at: null,
    public_metadata: {},
    private_metadata: {},
    unsafe_metadata: {},
    external_id: null,
    last_sign_in_at: null,
    banned: false,
    locked: false,
    lockout_expires_in_seconds: null,
    verification_attempts_remaining: 100,
    created_at: person.createdAtMs,
    updated_at: person.updatedAtMs,
    delete_self_enabled: true,
    bypass_client_trust: false,
    create_organization_enabled: true,
    last_active_at: person.createdAtMs,
    mfa_enabled_at: null,
    mfa_disabled_at: null,
    legal_accepted_at: null,
    requires_password_reset: false,
    profile_image_url: "https://www.gravatar.com/avatar?d=mp",
    ...changes,
  };
}

/** Fields of users who sign in without an address. */
const withoutEmail = { email_addresses: [], primary_email_address_id: null };

function oauthUser(person: Person, provider: "oauth_google" | "oauth_github", changes: Json = {}): ClerkUser {
  return baseUser(person, {
    has_image: true,
    password_enabled: false,
    email_addresses: [emailAddress(person, { strategy: `from_${provider}`, linkedTo: provider })],
    external_accounts: [externalAccount(person, provider)],
    last_sign_in_at: person.createdAtMs + 14,
    profile_image_url: `https://images.clerk.dev/${provider}/img_made_up`,
    ...changes,
  });
}

/** Users as the API of 2026 sends them, by what distinguishes them. Some were recorded, the others follow the specification. */
export const currentShapes = {
  emailCode: (person) => baseUser(person),
  emailCodeWithoutName: (person) => baseUser(person, { first_name: null, last_name: null }),
  google: (person) => oauthUser(person, "oauth_google"),
  googleLinkedLater: (person) =>
    baseUser(person, {
      email_addresses: [emailAddress(person, { linkedTo: "oauth_google" })],
      external_accounts: [externalAccount(person, "oauth_google")],
      last_sign_in_at: person.createdAtMs,
    }),
  github: (person) => oauthUser(person, "oauth_github", { username: person.username, last_name: null }),
  madeByAdmin: (person) =>
    baseUser(person, {
      first_name: null,
      last_name: null,
      has_image: true,
      email_addresses: [emailAddress(person, { strategy: "admin" })],
      password_last_updated_at: person.createdAtMs,
      last_active_at: null,
    }),
  unverified: (person) => baseUser(person, { email_addresses: [emailAddress(person, { status: "unverified" })] }),
  twoEmails: (person) =>
    baseUser(person, {
      email_addresses: [
        emailAddress(person, { nth: 1, address: `old.${person.email}`, status: "unverified" }),
        emailAddress(person),
      ],
    }),
  twoEmailsWithoutPrimary: (person) =>
    baseUser(person, {
      primary_email_address_id: null,
      email_addresses: [
        emailAddress(person, { nth: 1, address: `old.${person.email}`, status: "expired" }),
        emailAddress(person),
      ],
    }),
  verificationNull: (person) =>
    baseUser(person, { email_addresses: [{ ...emailAddress(person), verification: null }] }),
  phoneOnly: (person) => {
    const phone = phoneNumber(person);
    return baseUser(person, { ...withoutEmail, phone_numbers: [phone], primary_phone_number_id: phone.id });
  },
  usernameOnly: (person) =>
    baseUser(person, { ...withoutEmail, first_name: null, last_name: null, username: person.username }),
  walletOnly: (person) => {
    const wallet = web3Wallet(person);
    return baseUser(person, {
      ...withoutEmail,
      first_name: null,
      last_name: null,
      password_enabled: false,
      web3_wallets: [wallet],
      primary_web3_wallet_id: wallet["id"],
    });
  },
  enterprise: (person) =>
    baseUser(person, { password_enabled: false, enterprise_accounts: [enterpriseAccount(person)] }),
  banned: (person) => baseUser(person, { banned: true }),
  locked: (person) =>
    baseUser(person, { locked: true, lockout_expires_in_seconds: 3600, verification_attempts_remaining: 0 }),
  passkeys: (person) => baseUser(person, { password_enabled: false, passkeys: [passkey(person)] }),
  admin: (person) => baseUser(person, { public_metadata: { role: "admin", turma: "neon_escala" } }),
  unsafeRole: (person) =>
    oauthUser(person, "oauth_google", { unsafe_metadata: { role: "admin", turma: "neon_escala", bio: "a bio" } }),
  metadataNull: (person) => baseUser(person, { private_metadata: null, public_metadata: {}, unsafe_metadata: {} }),
  everything: (person) => {
    const phones = [phoneNumber(person, { nth: 1, status: "expired" }), phoneNumber(person, { forSecondFactor: true })];
    const wallet = web3Wallet(person);
    return oauthUser(person, "oauth_google", {
      username: person.username,
      two_factor_enabled: true,
      backup_code_enabled: true,
      mfa_enabled_at: person.createdAtMs,
      phone_numbers: phones,
      primary_phone_number_id: phones[1]?.id,
      web3_wallets: [wallet],
      primary_web3_wallet_id: wallet["id"],
      passkeys: [passkey(person)],
      external_accounts: [
        externalAccount(person, "oauth_google"),
        { ...externalAccount(person, "oauth_github"), provider: "github", verification: null },
      ],
      enterprise_accounts: [enterpriseAccount(person)],
      saml_accounts: [samlAccount(person)],
      public_metadata: { zodiac_sign: "leo", nested: { list: [1, "two", null] } },
      external_id: `legacy-${person.sequence}`,
      locale: "pt-BR",
    });
  },
  fromTheFuture: (person) =>
    baseUser(person, {
      quantum_keys: [{ id: "qk_1", entangled: true }],
      identity_tier: "gold",
      email_addresses: [{ ...emailAddress(person), deliverability: { score: 0.9 }, verified_by: ["agent"] }],
      verification: "moved elsewhere",
    }),
} satisfies Readonly<Record<string, (person: Person) => ClerkUser>>;
