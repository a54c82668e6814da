import { isObject } from "../domain/json.ts";
import { toStorableText } from "../domain/storableText.ts";
import type { UserFields } from "../domain/userChange.ts";
import { toEpochMs } from "./toEpochMs.ts";

/** Widths of the columns, in characters as Postgres counts them (code points). */
const emailCharsMax = 320;
const loginMethodCharsMax = 64;

// Live data has undocumented fields, lacks "required" ones and has null where a string is documented: a field that is
// not usable counts as absent.
type Json = Readonly<Record<string, unknown>>;

function toText(value: unknown): string | null {
  return typeof value === "string" ? toStorableText(value) : null;
}

function toList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function toObject(value: unknown): Json {
  return isObject(value) ? value : {};
}

/** Maps a Clerk user (webhook `data` or Backend API) to columns. Accepts every user. */
export function toUserFields(user: Json, updatedAtMs: number): UserFields {
  const email = pickEmail(user);
  const clerkCreatedAtMs = toEpochMs(user["created_at"]);
  return {
    name: toName(user),
    email: email?.address ?? null,
    emailVerified: email?.isVerified ?? false,
    imageUrl: toText(user["image_url"]) || toText(user["profile_image_url"]) || null,
    loginMethod: toLoginMethod(user, email !== null),
    role: toRole(toObject(user["public_metadata"])["role"]),
    lastSignedInMs: toEpochMs(user["last_sign_in_at"]) ?? clerkCreatedAtMs ?? updatedAtMs,
    clerkCreatedAtMs,
  };
}

function toName(user: Json): string | null {
  const full = [user["first_name"], user["last_name"]]
    .map((part) => toText(part)?.trim())
    .filter(Boolean)
    .join(" ");
  return full || toText(user["username"])?.trim() || null;
}

/** The primary address; if that id is null or dangling the first verified address, else the first, else none. */
function pickEmail(user: Json): { address: string; isVerified: boolean } | null {
  const addresses = toList(user["email_addresses"]).flatMap((element) => {
    const one = toObject(element);
    const address = toText(one["email_address"]);
    return address?.trim() ? [{ id: toText(one["id"]), address, isVerified: findStatus(one) === "verified" }] : [];
  });
  const primaryId = toText(user["primary_email_address_id"]);
  const picked =
    (primaryId === null ? undefined : addresses.find((one) => one.id === primaryId)) ??
    addresses.find((one) => one.isVerified) ??
    addresses[0];
  return picked && charCount(picked.address) <= emailCharsMax ? picked : null;
}

/** Verification status of an address or account. */
function findStatus(verifiable: Json): string | null {
  return toText(toObject(verifiable["verification"])["status"]);
}

/** The provider of the first verified external account, else the first sign-in method that the user has. */
function toLoginMethod(user: Json, hasEmail: boolean): string | null {
  const has = (name: string) => toList(user[name]).length > 0;
  const provider = toList(user["external_accounts"])
    .map((account) => findProvider(toObject(account)))
    .find(Boolean);
  if (provider) {
    const method = provider.replace(/^oauth_/, "").replace(/_account$/, "");
    return charCount(method) <= loginMethodCharsMax ? method : null;
  }
  if (has("enterprise_accounts")) return "enterprise";
  if (has("saml_accounts")) return "saml";
  if (hasEmail) return "email";
  if (has("phone_numbers")) return "phone";
  if (toText(user["username"])) return "username";
  return has("web3_wallets") ? "web3" : null;
}

/** Null for an account that failed to link. Webhooks until 2025 named Google only in `object` (`google_account`). */
function findProvider(account: Json): string | null {
  const status = findStatus(account);
  if (status && status !== "verified") return null;
  const object = toText(account["object"]);
  return toText(account["provider"]) || (object === "external_account" ? null : object);
}

function toRole(value: unknown): UserFields["role"] {
  return value === "admin" || value === "user" ? value : null;
}

function charCount(value: string): number {
  // Fast path: a text never has more code points than UTF-16 units.
  return value.length <= loginMethodCharsMax ? value.length : Array.from(value).length;
}
