import { afterEach, expect, test } from "bun:test";
import type { ClerkUser } from "../../src/clerk/clerkApi.ts";
import type { ClerkEvent } from "../../src/dev/clerk/clerkEvents.ts";
import { currentShapes } from "../../src/dev/clerk/clerkUserShapes.ts";
import { openSimulatedClerk, type SimulatedClerk } from "../../src/dev/clerk/simulatedClerk.ts";

let clerk: SimulatedClerk;
let told: ClerkEvent[];
afterEach(() => clerk.close());

async function open(now?: () => number) {
  clerk = await openSimulatedClerk({ users: 5, ...(now ? { now } : {}) });
  told = [];
  clerk.changes.onEvent((event) => told.push(event));
  return clerk;
}

interface Envelope {
  readonly type: string;
  readonly object: string;
  readonly instance_id: string;
  readonly timestamp: number;
  readonly event_attributes: unknown;
  readonly data: ClerkUser;
}
const parse = (event: ClerkEvent | undefined) => JSON.parse(event?.body ?? "null") as Envelope;

async function ask(method: string, path: string, body?: unknown) {
  const res = await fetch(`${clerk.apiUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${clerk.secretKey}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: res.status, body: (await res.json()) as Record<string, unknown> & { id: string } };
}

test("each change emits one event, 10 to 60 ms after the user's version, with an id of its own, and versions rise", async () => {
  const { changes, directory } = await open(() => Date.UTC(2026, 3, 1));
  for (let n = 0; n < 50; n++) {
    const user = currentShapes.google(directory.newPerson());
    changes.createUser(user);
    changes.updateUser(user.id, { first_name: "A" });
    changes.updateUser(user.id, { first_name: "B" });
    changes.deleteUser(user.id);
  }
  expect(told).toHaveLength(200);
  expect(new Set(told.map(({ svixId }) => svixId)).size).toBe(200);
  for (let n = 0; n < told.length; n += 4) {
    const [created, updated, again, deleted] = told.slice(n, n + 4).map(parse) as [
      Envelope,
      Envelope,
      Envelope,
      Envelope,
    ];
    const versions = [created, updated, again].map(({ data }) => Number(data["updated_at"]));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(new Set(versions).size).toBe(3);
    for (const envelope of [created, updated, again]) {
      const lagMs = envelope.timestamp - Number(envelope.data["updated_at"]);
      expect(lagMs).toBeWithin(10, 61);
      expect(envelope).toMatchObject({ object: "event", instance_id: clerk.instanceId });
      expect(envelope.event_attributes).toBeDefined();
    }
    expect(deleted.data).toEqual({ deleted: true, id: created.data.id, object: "user" });
  }
});

test("webhooks carry Google accounts in their own form, the API in its own", async () => {
  const { changes, directory } = await open();
  const user = currentShapes.google(directory.newPerson());
  const { data } = parse(changes.createUser(user));
  expect(data["external_accounts"]).toMatchObject([
    {
      object: "google_account",
      id: expect.stringMatching(/^idn_/),
      external_account_id: expect.stringMatching(/^eac_/),
    },
  ]);
  const { body } = await ask("GET", `/v1/users/${user.id}`);
  expect(body["external_accounts"]).toMatchObject([{ object: "external_account", id: expect.stringMatching(/^eac_/) }]);
  expect(Object.keys(data)).toEqual(Object.keys(data).toSorted());
});

test("a write through the API changes the directory and emits an event", async () => {
  await open();
  const { body: made } = await ask("POST", "/v1/users", { email_address: ["new@example.com"], first_name: "New" });
  expect(clerk.directory.find(made.id)).toMatchObject({
    first_name: "New",
    email_addresses: [{ email_address: "new@example.com" }],
  });
  await ask("PATCH", `/v1/users/${made.id}`, { first_name: "Newer", public_metadata: { role: "admin" }, banned: true });
  expect(clerk.directory.find(made.id)).toMatchObject({
    first_name: "Newer",
    public_metadata: { role: "admin" },
    banned: false,
  });
  expect((await ask("DELETE", `/v1/users/${made.id}`)).body).toEqual({ id: made.id, object: "user", deleted: true });
  expect(told.map(({ type, clerkId }) => [type, clerkId])).toEqual([
    ["user.created", made.id],
    ["user.updated", made.id],
    ["user.deleted", made.id],
  ]);
  expect((await ask("GET", `/v1/users/${made.id}`)).status).toBe(404);
  expect((await ask("DELETE", `/v1/users/${made.id}`)).status).toBe(404);
  expect((await ask("POST", "/v1/sessions", { user_id: made.id })).status).toBe(404);
});

test("a change in the directory alone sends no webhook", async () => {
  const { directory } = await open();
  const [user] = directory.list({ limit: 1, orderBy: { field: "created_at", descending: false } });
  directory.update(user?.id ?? "", { first_name: "Unheard" });
  directory.remove(user?.id ?? "");
  expect(told).toEqual([]);
});

test("an id is never used again", async () => {
  const { changes, directory } = await open();
  const user = currentShapes.emailCode(directory.newPerson());
  changes.createUser(user);
  expect(() => changes.createUser(user)).toThrow("never reuses");
  changes.deleteUser(user.id);
  expect(() => changes.createUser(user)).toThrow("never reuses");
  expect(() => changes.updateUser(user.id, {})).toThrow("no user");
});
