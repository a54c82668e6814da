import type { ClerkUser } from "../../src/clerk/clerkApi.ts";

/** A time as a payload writes it, and what it means: epoch milliseconds, null for none. */
export interface Written {
  readonly value: unknown;
  readonly meansMs: number | null;
}

export interface Address {
  readonly id: string | null;
  readonly address: string;
  readonly status: string | null;
}

/** A user at Clerk at one point in time. */
export interface Snapshot {
  readonly clerkId: string;
  readonly updatedAt: Written;
  readonly createdAtMs: number;
  readonly addresses: readonly Address[];
  readonly primaryId: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
  readonly username: string | null;
  readonly imageUrl: string | null;
  readonly provider: string | null;
  readonly publicMetadata: Readonly<Record<string, unknown>>;
  readonly unsafeMetadata: Readonly<Record<string, unknown>>;
}

/** One event, under one svix-id. */
export type Fact = { readonly svixId: string; readonly envelope: Written } & (
  | { readonly kind: "user"; readonly snapshot: Snapshot }
  | { readonly kind: "deleted"; readonly clerkId: string }
  | { readonly kind: "other"; readonly clerkId: string | null }
  | { readonly kind: "garbage"; readonly body: string; readonly clerkId: string | null }
);

/** The instance in every envelope. */
export const factInstanceId = "ins_1";

/** The user in the form of a webhook, or in that of the Backend API, which writes linked accounts otherwise. */
export function toClerkUser(snapshot: Snapshot, surface: "webhook" | "api"): ClerkUser {
  const { provider } = snapshot;
  const account =
    surface === "webhook"
      ? { object: `${provider}_account`, id: "idn_1", provider: `oauth_${provider}` }
      : { object: "external_account", id: "eac_1", provider: `oauth_${provider}`, verified_at_client: null };
  return {
    id: snapshot.clerkId,
    object: "user",
    first_name: snapshot.firstName,
    last_name: snapshot.lastName,
    username: snapshot.username,
    image_url: snapshot.imageUrl,
    primary_email_address_id: snapshot.primaryId,
    email_addresses: snapshot.addresses.map(({ id, address, status }) => ({
      ...(id === null ? {} : { id }),
      email_address: address,
      verification: status === null ? null : { status },
    })),
    external_accounts: provider === null ? [] : [account],
    public_metadata: snapshot.publicMetadata,
    private_metadata: { secret: "never stored" },
    unsafe_metadata: snapshot.unsafeMetadata,
    created_at: snapshot.createdAtMs,
    ...(snapshot.updatedAt.value === undefined ? {} : { updated_at: snapshot.updatedAt.value }),
    last_sign_in_at: null,
  };
}

/** The exact text of the delivery. */
export function toBody(fact: Fact): string {
  const envelope = { object: "event", timestamp: fact.envelope.value, instance_id: factInstanceId };
  switch (fact.kind) {
    case "user":
      return JSON.stringify({ ...envelope, type: "user.updated", data: toClerkUser(fact.snapshot, "webhook") });
    case "deleted":
      return JSON.stringify({ ...envelope, type: "user.deleted", data: { id: fact.clerkId, deleted: true } });
    case "other":
      return JSON.stringify({ ...envelope, type: "session.created", data: { id: "sess_1", user_id: fact.clerkId } });
    case "garbage":
      return fact.body;
  }
}

export function clerkIdOf(fact: Fact): string | null {
  return fact.kind === "user" ? fact.snapshot.clerkId : fact.clerkId;
}
