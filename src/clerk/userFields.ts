import { z } from "zod";
import type { UserFields } from "../domain/userChange.ts";
import { toEpochMs } from "./toEpochMs.ts";
import { toStorableText } from "../domain/storableText.ts";

/** Widths of the columns, in characters as Postgres counts them (code points). */
const emailCharsMax = 320;
const loginMethodCharsMax = 64;

// Live data has fields no specification names, lacks "required" ones and holds null where a string was promised:
// each field is taken if it is usable and is otherwise absent.
const text = z
  .string()
  .transform((value) => toStorableText(value))
  .nullable()
  .catch(null);
const element = <T extends z.ZodType>(schema: T) => z.array(schema.nullable().catch(null)).catch([]);
const metadata = z.record(z.string(), z.unknown()).catch({});

const clerkUserSchema = z.object({
  first_name: text,
  last_name: text,
  username: text,
  image_url: text,
  profile_image_url: text,
  primary_email_address_id: text,
  email_addresses: element(
    z.object({ id: text, email_address: text, verification: z.object({ status: text }).nullable().catch(null) }),
  ),
  external_accounts: element(
    z.object({ provider: text, object: text, verification: z.object({ status: text }).nullable().catch(null) }),
  ),
  enterprise_accounts: element(z.object({})),
  saml_accounts: element(z.object({})),
  phone_numbers: element(z.object({})),
  web3_wallets: element(z.object({})),
  public_metadata: metadata,
  created_at: z.unknown().optional(),
  last_sign_in_at: z.unknown().optional(),
});
type ClerkUserView = z.infer<typeof clerkUserSchema>;

/** What a Clerk user (webhook `data` or Backend API) says about its row. Pure, and never refuses a user. */
export function toUserFields(user: object, updatedAtMs: number): UserFields {
  const view = clerkUserSchema.parse(user);
  const email = pickEmail(view);
  const clerkCreatedAtMs = toEpochMs(view.created_at);
  return {
    name: toName(view),
    email: email?.address ?? null,
    emailVerified: email?.verified ?? false,
    imageUrl: view.image_url || view.profile_image_url || null,
    loginMethod: toLoginMethod(view, email !== null),
    role: toRole(view.public_metadata["role"]),
    lastSignedInMs: toEpochMs(view.last_sign_in_at) ?? clerkCreatedAtMs ?? updatedAtMs,
    clerkCreatedAtMs,
  };
}

function toName(view: ClerkUserView): string | null {
  const full = [view.first_name, view.last_name]
    .map((part) => part?.trim())
    .filter(Boolean)
    .join(" ");
  return full || view.username?.trim() || null;
}

/** The primary address; if that is null or dangling the first verified, else the first, else none. */
function pickEmail(view: ClerkUserView): { address: string; verified: boolean } | null {
  const addresses = view.email_addresses.flatMap((one) =>
    one?.email_address?.trim()
      ? [{ id: one.id, address: one.email_address, verified: one.verification?.status === "verified" }]
      : [],
  );
  const primaryId = view.primary_email_address_id;
  const picked =
    (primaryId === null ? undefined : addresses.find((one) => one.id === primaryId)) ??
    addresses.find((one) => one.verified) ??
    addresses[0];
  return picked && charCount(picked.address) <= emailCharsMax ? picked : null;
}

/** How the user signs in: the provider of the first linked account, else the first of what they have. */
function toLoginMethod(view: ClerkUserView, hasEmail: boolean): string | null {
  const provider = view.external_accounts.map((one) => one && findProvider(one)).find(Boolean);
  if (provider) {
    const method = provider.replace(/^oauth_/, "").replace(/_account$/, "");
    return charCount(method) <= loginMethodCharsMax ? method : null;
  }
  if (view.enterprise_accounts.length > 0) return "enterprise";
  if (view.saml_accounts.length > 0) return "saml";
  if (hasEmail) return "email";
  if (view.phone_numbers.length > 0) return "phone";
  if (view.username) return "username";
  return view.web3_wallets.length > 0 ? "web3" : null;
}

/** Webhooks until 2025 named Google's only by `object` (`google_account`); an account that failed to link signs nobody in. */
function findProvider(account: NonNullable<ClerkUserView["external_accounts"][number]>): string | null {
  if (account.verification?.status && account.verification.status !== "verified") return null;
  return account.provider || (account.object === "external_account" ? null : account.object);
}

function toRole(value: unknown): UserFields["role"] {
  return value === "admin" || value === "user" ? value : null;
}

function charCount(value: string): number {
  // Counting code points is only worth it near the limit: there are never more of them than UTF-16 units.
  return value.length <= loginMethodCharsMax ? value.length : Array.from(value).length;
}
