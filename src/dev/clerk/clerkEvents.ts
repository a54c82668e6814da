import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { toWebhookUser } from "./clerkWebhookUser.ts";

/** An event as Svix delivers it: every attempt has the same body. */
export interface ClerkEvent {
  readonly svixId: string;
  readonly type: string;
  /** The user it is about; null if it names none. */
  readonly clerkId: string | null;
  /** The body, exactly as it is signed. */
  readonly body: string;
}

/** `current`: as in live traffic; `seconds`: as in the OpenAPI examples; the others lack fields as older events do. */
export type EnvelopeForm = "current" | "withoutInstance" | "withoutAttributes" | "bare" | "seconds";

/** The parts of an event other than its data. */
export interface EnvelopeOptions {
  readonly svixId: string;
  /** Epoch milliseconds; live, 10–60 ms after the user's `updated_at`. */
  readonly timestampMs: number;
  readonly instanceId: string;
  readonly form?: EnvelopeForm;
}

const eventAttributes = {
  http_request: { client_ip: "192.0.2.1", user_agent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0.0.0" },
};

/** An event with the user in the form of webhooks, see `toWebhookUser`. */
export function userEvent(
  type: "user.created" | "user.updated",
  user: ClerkUser,
  options: EnvelopeOptions,
): ClerkEvent {
  return toEvent(type, user.id, toWebhookUser(user), options);
}

/** @param changes to the data: Clerk adds `external_id` for users who have one; no deletion without `id` was seen live. */
export function deletionEvent(
  clerkId: string,
  options: EnvelopeOptions,
  changes: Readonly<Record<string, unknown>> = {},
): ClerkEvent {
  return toEvent("user.deleted", clerkId, { deleted: true, id: clerkId, object: "user", ...changes }, options);
}

/** An event of any type. */
export function toEvent(type: string, clerkId: string | null, data: unknown, options: EnvelopeOptions): ClerkEvent {
  const { svixId, timestampMs, instanceId, form = "current" } = options;
  const rest = {
    current: { event_attributes: eventAttributes, instance_id: instanceId, timestamp: timestampMs },
    withoutInstance: { event_attributes: eventAttributes, timestamp: timestampMs },
    withoutAttributes: { instance_id: instanceId, timestamp: timestampMs },
    bare: {},
    seconds: { event_attributes: eventAttributes, instance_id: instanceId, timestamp: Math.floor(timestampMs / 1000) },
  }[form];
  return { svixId, type, clerkId, body: JSON.stringify({ data, object: "event", type, ...rest }) };
}

/** Data of events of other types, some of them about a user: the server answers `ignored`. */
export const otherEvents: Readonly<Record<string, (clerkId: string) => unknown>> = {
  "session.created": (clerkId) => ({
    abandon_at: 1_793_000_000_000,
    client_id: "client_made_up",
    id: "sess_made_up",
    last_active_organization_id: null,
    object: "session",
    status: "active",
    // It carries a user, but it is not a user event.
    user: { id: clerkId, object: "user", first_name: "Absent", email_addresses: [] },
    user_id: clerkId,
  }),
  "organizationMembership.updated": (clerkId) => ({
    id: "orgmem_made_up",
    object: "organization_membership",
    organization: { id: "org_made_up", name: "Acme Inc", object: "organization", public_metadata: {} },
    public_user_data: { identifier: "someone@example.com", user_id: clerkId },
    role: "basic_member",
  }),
  "email.created": (clerkId) => ({ id: "ema_made_up", object: "email", slug: "verification_code", user_id: clerkId }),
  "organization.created": () => ({ id: "org_made_up", name: "Acme Inc", object: "organization" }),
  "user.teleported": (clerkId) => ({ id: clerkId, object: "user", to: "Mars" }),
};
