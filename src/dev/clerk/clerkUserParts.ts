// The pieces of a Clerk user, with the keys and types that the Backend API of 2026 sends.
import { toPartId, type Person } from "./person.ts";

/** An object of a Clerk answer. */
export type Json = Record<string, unknown>;

const googleScopes =
  "email https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile openid profile";
/** An OAuth round trip and a one-time code stay valid for ten minutes. */
const expiryMs = 600_000;

function verification(person: Person, fields: Json): Json {
  return { status: "verified", attempts: 1, expire_at: person.createdAtMs + expiryMs, ...fields };
}

/** An element of `email_addresses`. `address`: default the person's own; `status`: as in Clerk's specification. */
export function emailAddress(
  person: Person,
  options: {
    nth?: number;
    address?: string;
    status?: "verified" | "unverified" | "failed" | "expired" | "transferable";
    strategy?: string;
    linkedTo?: string;
  } = {},
): Json {
  const { nth = 0, status = "verified", strategy = "email_code", linkedTo } = options;
  const byCode = strategy === "email_code";
  return {
    id: toPartId(person, "idn", nth),
    object: "email_address",
    email_address: options.address ?? person.email,
    reserved: false,
    verification: {
      object: byCode ? "verification_otp" : strategy === "admin" ? "verification_admin" : "verification_from_oauth",
      status,
      strategy,
      attempts: byCode ? 1 : null,
      expire_at: byCode ? person.createdAtMs + expiryMs : null,
    },
    linked_to: linkedTo === undefined ? [] : [{ type: linkedTo, id: toPartId(person, "idn", 20) }],
    matches_sso_connection: false,
    created_at: person.createdAtMs - 8_000,
    updated_at: person.createdAtMs + 4,
  };
}

/** An element of `external_accounts`, in the form of the Backend API. */
export function externalAccount(person: Person, provider: "oauth_google" | "oauth_github"): Json {
  const isGoogle = provider === "oauth_google";
  return {
    object: "external_account",
    id: toPartId(person, "eac"),
    provider,
    identification_id: toPartId(person, "idn", 20),
    provider_user_id: isGoogle ? `1${String(person.sequence).padStart(20, "0")}` : String(10_000_000 + person.sequence),
    approved_scopes: isGoogle ? googleScopes : "read:user user:email",
    email_address: person.email,
    first_name: person.firstName,
    // GitHub has one name: Clerk then stores null for the user and "" here.
    last_name: isGoogle ? person.lastName : "",
    avatar_url: "https://img.example.com/avatar",
    image_url: "https://img.clerk.com/made-up",
    username: isGoogle ? null : person.username,
    ...(isGoogle ? { phone_number: null } : {}),
    public_metadata: {},
    label: null,
    created_at: person.createdAtMs - 6,
    updated_at: person.createdAtMs - 6,
    verification: verification(person, { object: "verification_oauth", strategy: provider, attempts: null }),
  };
}

/** An element of `phone_numbers`. */
export function phoneNumber(
  person: Person,
  options: { nth?: number; status?: string; forSecondFactor?: boolean } = {},
) {
  const { nth = 0, status = "verified", forSecondFactor = false } = options;
  return {
    id: toPartId(person, "idn", 40 + nth),
    object: "phone_number",
    phone_number: `+1201555${String((person.sequence + nth) % 10_000).padStart(4, "0")}`,
    reserved_for_second_factor: forSecondFactor,
    default_second_factor: forSecondFactor,
    reserved: false,
    verification: verification(person, { object: "verification_otp", status, strategy: "phone_code" }),
    linked_to: [],
    backup_codes: null,
    created_at: person.createdAtMs - 8_000,
    updated_at: person.createdAtMs + 4,
  };
}

/** An element of `web3_wallets`. */
export function web3Wallet(person: Person): Json {
  return {
    id: toPartId(person, "idn", 60),
    object: "web3_wallet",
    web3_wallet: `0x${person.sequence.toString(16).padStart(40, "0")}`,
    verification: verification(person, {
      object: "verification_web3",
      strategy: "web3_metamask_signature",
      nonce: "made-up-nonce",
    }),
    created_at: person.createdAtMs - 8_000,
    updated_at: person.createdAtMs + 4,
  };
}

/** An element of `passkeys`. */
export function passkey(person: Person): Json {
  return {
    id: toPartId(person, "idn", 80),
    object: "passkey",
    name: "Chrome on Mac",
    last_used_at: person.createdAtMs,
    verification: verification(person, { object: "verification_passkey", strategy: "passkey", nonce: "made-up-nonce" }),
  };
}

/** An element of `enterprise_accounts`, by SAML. */
export function enterpriseAccount(person: Person): Json {
  const connection = toPartId(person, "ent_conn");
  return {
    object: "enterprise_account",
    id: toPartId(person, "ea"),
    active: true,
    email_address: person.email,
    first_name: person.firstName,
    last_name: person.lastName,
    protocol: "saml",
    provider: "saml_okta",
    provider_user_id: `okta_${person.sequence}`,
    public_metadata: {},
    verification: verification(person, { strategy: "saml", attempts: null }),
    last_authenticated_at: person.createdAtMs,
    enterprise_connection_id: connection,
    enterprise_connection: {
      id: connection,
      object: "enterprise_account_connection",
      active: true,
      allow_idp_initiated: false,
      allow_subdomains: false,
      disable_additional_identifications: false,
      domain: "example.com",
      logo_public_url: null,
      name: "Okta SSO",
      protocol: "saml",
      provider: "saml_okta",
      sync_user_attributes: true,
      created_at: person.createdAtMs - 1_000,
      updated_at: person.createdAtMs - 1_000,
    },
  };
}

/** An element of `saml_accounts`. */
export function samlAccount(person: Person): Json {
  return {
    object: "saml_account",
    id: toPartId(person, "samlacc"),
    provider: "saml_microsoft",
    active: true,
    email_address: person.email,
    first_name: person.firstName,
    last_name: person.lastName,
    provider_user_id: null,
    verification: verification(person, {
      strategy: "saml",
      attempts: null,
      external_verification_redirect_url: null,
    }),
  };
}
