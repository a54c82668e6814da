import type { ClerkUser } from "../../src/clerk/clerkApi.ts";

/** Start of the times in events, epoch milliseconds. */
export const startMs = Date.UTC(2026, 0, 15, 12);

/** A Clerk user with one verified address made from its id; `changes` replace any field. */
export function clerkUser(id: string, changes: Readonly<Record<string, unknown>> = {}): ClerkUser {
  const { email = `${id.slice(5).toLowerCase()}@example.com`, verified = true, ...rest } = changes;
  return {
    id,
    object: "user",
    first_name: "Ana",
    last_name: "Souza",
    username: null,
    image_url: "https://img.example.com/a.png",
    primary_email_address_id: "idn_1",
    email_addresses:
      email === null
        ? []
        : [{ id: "idn_1", email_address: email, verification: { status: verified ? "verified" : "unverified" } }],
    external_accounts: [],
    public_metadata: {},
    private_metadata: { secret: "never stored" },
    unsafe_metadata: {},
    created_at: startMs - 1000,
    updated_at: startMs,
    last_sign_in_at: null,
    ...rest,
  };
}

/** `user.created` or `user.updated`, its envelope 20 ms later than the user's version unless told otherwise. */
export function userEvent(user: ClerkUser, envelope: Readonly<Record<string, unknown>> = {}) {
  const version = typeof user["updated_at"] === "number" ? user["updated_at"] : startMs;
  return {
    object: "event",
    type: "user.updated",
    timestamp: version + 20,
    instance_id: "ins_1",
    data: user,
    ...envelope,
  };
}

/** `user.deleted`; `timestamp` is of the envelope, epoch milliseconds. */
export function deletedEvent(id: string, timestamp: number = startMs + 60_000) {
  return {
    object: "event",
    type: "user.deleted",
    timestamp,
    instance_id: "ins_1",
    data: { id, object: "user", deleted: true },
  };
}
