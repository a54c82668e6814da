import type { ClerkChanges } from "./clerkChanges.ts";
import type { ClerkDirectory } from "./clerkDirectory.ts";
import { emailAddress, type Json } from "./clerkUserParts.ts";
import { baseUser } from "./clerkUserShapes.ts";
import type { SessionTokens } from "./sessionTokens.ts";

/** Fields other than addresses that `POST` and `PATCH` set. */
const settable = [
  "first_name",
  "last_name",
  "username",
  "external_id",
  "public_metadata",
  "private_metadata",
  "unsafe_metadata",
];

/** An answer: the status and the body. */
export interface WriteAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * The writing half of the Backend API, for use with curl: `POST /v1/users`, `PATCH` and `DELETE /v1/users/:id`,
 * `POST /v1/sessions` and `POST /v1/sessions/:id/tokens`. Undefined: no such call, or no such user.
 */
export async function answerWrite(
  req: Request,
  path: string,
  clerk: { directory: ClerkDirectory; changes: ClerkChanges; sessions: () => Promise<SessionTokens> },
): Promise<WriteAnswer | undefined> {
  const { directory, changes } = clerk;
  if (req.method === "POST" && path === "/v1/users") {
    const fields = await readFields(req);
    const person = directory.newPerson();
    const emails = toList(fields["email_address"]).map((address, nth) => emailAddress(person, { nth, address }));
    const user = baseUser(person, {
      first_name: null,
      last_name: null,
      ...pick(fields),
      // Addresses that the Backend API is given count as verified.
      email_addresses: emails,
      primary_email_address_id: emails[0]?.["id"] ?? null,
    });
    changes.createUser(user);
    return { status: 200, body: user };
  }
  if (req.method === "POST" && path === "/v1/sessions") {
    const clerkId = String((await readFields(req))["user_id"]);
    if (!directory.find(clerkId)) return undefined;
    return { status: 200, body: { object: "session", id: toSessionId(clerkId), user_id: clerkId, status: "active" } };
  }
  const sessionOf = /^\/v1\/sessions\/sess_(\w+)\/tokens$/.exec(path)?.[1];
  if (req.method === "POST" && sessionOf !== undefined) {
    const clerkId = `user_${sessionOf}`;
    if (!directory.find(clerkId)) return undefined;
    return { status: 200, body: { object: "token", jwt: (await clerk.sessions()).sign(clerkId) } };
  }
  const clerkId = /^\/v1\/users\/(\w+)$/.exec(path)?.[1];
  if (clerkId === undefined || !directory.find(clerkId)) return undefined;
  if (req.method === "PATCH") {
    changes.updateUser(clerkId, pick(await readFields(req)));
    return { status: 200, body: directory.find(clerkId) };
  }
  if (req.method === "DELETE") {
    changes.deleteUser(clerkId);
    return { status: 200, body: { id: clerkId, object: "user", deleted: true } };
  }
  return undefined;
}

function toSessionId(clerkId: string): string {
  return clerkId.replace(/^user_/, "sess_");
}

async function readFields(req: Request): Promise<Json> {
  try {
    const body: unknown = await req.json();
    return typeof body === "object" && body !== null ? (body as Json) : {};
  } catch {
    // No JSON: nothing is set.
    return {};
  }
}

function pick(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => settable.includes(key)));
}

function toList(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).filter((one) => typeof one === "string");
}
