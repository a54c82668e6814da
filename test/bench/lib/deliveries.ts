import { createHmac } from "node:crypto";

/** Signs what the bench sends; every server under test knows it. */
export const benchSecret = `whsec_${Buffer.alloc(32, 11).toString("base64")}`;
const key = Buffer.from(benchSecret.slice("whsec_".length), "base64");

/** Version of the stored users, epoch milliseconds; every event is newer. */
export const storedAtMs = Date.UTC(2026, 0, 1);
/** An update follows the creation of its user at this distance, so that the two are never under way together. */
const updateDistance = 2_000;
/** Coprime to every number of stored users used here: walks through them without a pattern the cache would like. */
const stride = 611_953;

/** One delivery of a measurement: its user and what has to be in the tables once it was answered 200. */
export interface Expected {
  readonly clerkId: string;
  readonly email: string;
  readonly name: string;
  readonly svixId: string;
}

/** Sorts by time of creation, as Clerk's ids do. */
export function toClerkId(userNumber: number): string {
  return `user_2bench${String(userNumber).padStart(16, "0")}`;
}

export function toEmail(userNumber: number): string {
  return `person.${userNumber}@example.com`;
}

/**
 * The `place`-th delivery against a database that began with `stored` users: every second one creates a user, the
 * others update one, of the stored ones if there are any. The same on both sides: who sends and who checks.
 */
export function toDelivery(place: number, stored: number): Expected & { body: string } {
  const creates = place % 2 === 0 || (stored === 0 && place < updateDistance);
  const userNumber = creates
    ? stored + place
    : stored > 0
      ? (place * stride) % stored
      : place - updateDistance - ((place - updateDistance) % 2);
  const atMs = storedAtMs + 86_400_000 + place;
  const firstName = creates ? "Given" : `Given${place}`;
  const email = toEmail(userNumber);
  const clerkId = toClerkId(userNumber);
  const user = toClerkUser({ clerkId, email, firstName, atMs });
  const body = toEventBody(creates ? "user.created" : "user.updated", user, atMs + 20);
  return { clerkId, email, name: `${firstName} Family`, svixId: toSvixId(place), body };
}

function toSvixId(place: number): string {
  return `msg_2bench${String(place).padStart(17, "0")}`;
}

/** A live webhook of a person who signed in with Google: 2.5 KB. */
export function toEventBody(type: string, data: unknown, timestamp: number): string {
  return JSON.stringify({
    data,
    event_attributes: {
      http_request: {
        client_ip: "2001:db8::2",
        user_agent:
          "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
      },
    },
    instance_id: "ins_2benchbenchbenchbenchbenchb",
    object: "event",
    timestamp,
    type,
  });
}

/** A Clerk user with the fields that live webhooks carry. */
export function toClerkUser(user: { clerkId: string; email: string; firstName: string; atMs: number }) {
  const { clerkId: id, email, firstName, atMs } = user;
  const idn = id.replace("user_", "idn_");
  const accountId = id.replace("user_2", "idn_3");
  return {
    backup_code_enabled: false,
    banned: false,
    create_organization_enabled: true,
    created_at: storedAtMs,
    delete_self_enabled: false,
    email_addresses: [
      {
        created_at: storedAtMs,
        email_address: email,
        id: idn,
        linked_to: [{ id: accountId, type: "oauth_google" }],
        matches_sso_connection: false,
        object: "email_address",
        reserved: false,
        updated_at: storedAtMs,
        verification: {
          attempts: 1,
          expire_at: storedAtMs + 600_000,
          object: "verification_otp",
          status: "verified",
          strategy: "email_code",
        },
      },
    ],
    enterprise_accounts: [],
    external_accounts: [
      {
        approved_scopes:
          "email https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile openid profile",
        avatar_url: "",
        created_at: storedAtMs,
        email_address: email,
        external_account_id: id.replace("user_", "eac_"),
        family_name: "Family",
        first_name: firstName,
        given_name: firstName,
        google_id: "100000000000000000000",
        id: accountId,
        identification_id: accountId,
        label: null,
        last_name: "Family",
        object: "google_account",
        picture: "",
        provider: "oauth_google",
        provider_user_id: "100000000000000000000",
        public_metadata: {},
        updated_at: storedAtMs,
        username: null,
        verification: {
          attempts: null,
          expire_at: storedAtMs + 600_000,
          object: "verification_oauth",
          status: "verified",
          strategy: "oauth_google",
        },
      },
    ],
    external_id: null,
    first_name: firstName,
    has_image: false,
    id,
    image_url: "https://img.clerk.com/eyJ0eXBlIjoiZGVmYXVsdCJ9",
    last_active_at: atMs,
    last_name: "Family",
    last_sign_in_at: atMs,
    legal_accepted_at: null,
    locked: false,
    lockout_expires_in_seconds: null,
    mfa_disabled_at: null,
    mfa_enabled_at: null,
    object: "user",
    passkeys: [],
    password_enabled: true,
    phone_numbers: [],
    primary_email_address_id: idn,
    primary_phone_number_id: null,
    primary_web3_wallet_id: null,
    private_metadata: {},
    profile_image_url: "https://www.gravatar.com/avatar?d=mp",
    public_metadata: {},
    saml_accounts: [],
    totp_enabled: false,
    two_factor_enabled: false,
    unsafe_metadata: {},
    updated_at: atMs,
    username: null,
    verification_attempts_remaining: 100,
    web3_wallets: [],
  };
}

/** The three headers of a delivery, signed now. */
export function signHeaders(svixId: string, body: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = createHmac("sha256", key).update(`${svixId}.${timestamp}.${body}`).digest("base64");
  return { "svix-id": svixId, "svix-timestamp": timestamp, "svix-signature": `v1,${signature}` };
}
