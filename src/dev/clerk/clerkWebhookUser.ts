import type { ClerkUser } from "../../clerk/clerkApi.ts";
import type { Json } from "./clerkUserParts.ts";

/** Keys that the Backend API sends and no recorded webhook had. */
const apiOnly = new Set(["password_last_updated_at", "bypass_client_trust", "requires_password_reset"]);

/** The user of the Backend API as webhooks carry them: keys in alphabetical order, Google accounts in their older form. */
export function toWebhookUser(user: ClerkUser): ClerkUser {
  const accounts = user["external_accounts"];
  const data = Object.fromEntries(Object.entries(user).filter(([key]) => !apiOnly.has(key)));
  return sortKeys({
    ...data,
    id: user.id,
    ...(Array.isArray(accounts) ? { external_accounts: accounts.map(toWebhookAccount) } : {}),
  });
}

/** Webhooks still send Google accounts with the fields of before 2025: another `object` and `id`, and both sets of names. */
function toWebhookAccount(account: Json): Json {
  if (account["object"] !== "external_account" || account["provider"] !== "oauth_google") return account;
  const { image_url: _image, phone_number: _phone, ...rest } = account;
  return {
    ...rest,
    object: "google_account",
    id: account["identification_id"],
    external_account_id: account["id"],
    family_name: account["last_name"],
    given_name: account["first_name"],
    google_id: account["provider_user_id"],
    picture: account["avatar_url"],
  };
}

function sortKeys<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sortKeys) as T;
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]: [string, unknown]) => [key, sortKeys(inner)])) as T;
}
