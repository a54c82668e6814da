// Run by consumer.test.ts in the other package: drives every procedure through the client, then the host's own routes.
import { createTRPCClient, httpLink } from "@trpc/client";
import { createSyncClient, type AppRouter } from "clerk-neon-sync/client";
import { mentorados, users, webhookEvents } from "clerk-neon-sync/schema";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import postgres from "postgres";
import { Webhook } from "svix";
import { openHost, type MergedRouter } from "./host.ts";

const { env } = process;
const token = env["ADMIN_API_TOKEN"] ?? "";
const user = (id: string, more: object = {}) => ({
  id,
  object: "user",
  first_name: "Ana",
  email_addresses: [{ id: "idn_1", email_address: `${id}@example.com`, verification: { status: "verified" } }],
  primary_email_address_id: "idn_1",
  updated_at: 1_768_000_000_000,
  ...more,
});
const host = await openHost(env, [user("user_A"), user("user_B"), user("user_Caller")]);
const sync = createSyncClient({ url: host.url, token });

async function deliver(body: string): Promise<Response> {
  const at = new Date();
  const svixId = `msg_${crypto.randomUUID()}`;
  const signature = new Webhook(env["CLERK_WEBHOOK_SECRET"] ?? "").sign(svixId, at, body);
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const headers = { "svix-id": svixId, "svix-timestamp": timestamp, "svix-signature": signature };
  return fetch(`${host.url}/api/webhooks/clerk`, { method: "POST", body, headers });
}

// Every procedure, its types inferred: what is assigned below would not compile otherwise.
deepEqual(await (await deliver(JSON.stringify({ type: "user.created", data: user("user_A") }))).json(), {
  outcome: "applied",
});
equal((await deliver("no event")).status, 422);
const seen = await sync.sync.user.query({ clerkId: "user_A" });
const state: "missing" | "synced" | "deleted" = seen.state;
const mentoradoId: number = seen.mentorado?.id ?? 0;
equal(state, "synced");
const resynced = await sync.sync.resync.mutate({ clerkId: "user_B", dryRun: false });
const changed: string[] = resynced.changed;
ok(changed.includes("email"));
const dead = await sync.events.list.query({ outcome: "dead", limit: 10 });
const svixId = dead.items[0]?.svixId ?? "";
const payload: string | null = (await sync.events.get.query({ svixId })).payload;
equal(payload, "no event");
equal((await sync.events.replay.mutate({ svixId })).outcome, "dead");
equal((await sync.events.series.query()).items.length, 1);
const { runId } = await sync.runs.start.mutate({ kind: "backfill", dryRun: true });
let run = await sync.runs.get.query({ runId });
for (; run.status === "running"; run = await sync.runs.get.query({ runId })) await Bun.sleep(20);
deepEqual([run.kind, run.status, run.seen], ["backfill", "done", 3]);
deepEqual((await sync.runs.list.query({ limit: 1 })).items[0], run);
equal((await sync.runs.cancel.mutate({ runId })).status, "done");
deepEqual((await sync.sync.status.query()).lastRun, run);
equal((await sync.links.unlink.mutate({ mentoradoId })).clerkId, "user_A");
const conflicts = await sync.links.conflicts.query();
equal(conflicts.items[0]?.candidates[0]?.id, mentoradoId);
equal((await sync.links.resolve.mutate({ clerkId: "user_A", mentoradoId })).link, "linked");
const caller = createSyncClient({ url: host.url, token: () => Promise.resolve(env["SESSION_TOKEN"]) });
const me = await caller.me.get.query();
deepEqual([me.clerkId, me.state, me.source], ["user_Caller", "synced", "jit"]);

// What does not fit does not compile.
// @ts-expect-error there is no such procedure
void sync.sync.nothing;
// @ts-expect-error a clerkId is a text
await rejects(sync.sync.user.query({ clerkId: 7 }));
// @ts-expect-error no outcome of that name
await rejects(sync.events.list.query({ outcome: "eaten" }));

// Many calls at once are one request; the same calls alone, by a link of one's own.
const ids = Array.from({ length: 60 }, (_, n) => `user_${"x".repeat(50)}${n}`);
const many = await Promise.all(ids.map((clerkId) => sync.sync.user.query({ clerkId })));
deepEqual(new Set(many.map((one) => one.state)), new Set(["missing"]));
const headers = { authorization: `Bearer ${token}` };
const alone = createTRPCClient<AppRouter>({ links: [httpLink({ url: `${host.url}/api/trpc`, headers })] });
deepEqual(await alone.sync.user.query({ clerkId: "user_A" }), await sync.sync.user.query({ clerkId: "user_A" }));

// Mounted below a path, nested in the host's router, and merged into it.
const below = createSyncClient({ url: `${host.url}/below/here/`, token });
equal((await below.sync.user.query({ clerkId: "user_A" })).state, "synced");
equal((await fetch(`${host.url}/below/here/readyz`)).status, 200);
const nested = (path: string, init?: RequestInit) => fetch(`${host.url}/nested/${path}`, { headers, ...init });
equal((await nested("clerkSync.sync.status")).status, 200);
const merged = createTRPCClient<MergedRouter>({ links: [httpLink({ url: `${host.url}/merged`, headers })] });
equal(await merged.greet.query(), "hello from the host");
equal((await merged.sync.user.query({ clerkId: "user_B" })).user?.email, "user_B@example.com");

// Errors say no more under the host's formatter than under our own.
const refused = await (await nested("clerkSync.sync.user?input={}")).json();
match(JSON.stringify(refused), /formatted by the host/);
match(JSON.stringify(refused), /Invalid input/);
equal((await nested("clerkSync.sync.status", { headers: {} })).status, 401);

// The host's routes and its own 404 go on as before; what is ours under a wrong method or path says so.
const ask = async (method: string, path: string) => {
  const res = await fetch(`${host.url}${path}`, { method });
  return `${res.status} ${await res.text()}`;
};
equal(await ask("GET", "/hello"), "200 hello");
equal(await ask("GET", "/later"), "200 later");
equal(await ask("GET", "/"), "200 the host's page");
equal(await ask("POST", "/metrics/own"), "200 own");
equal(await ask("GET", "/broken"), "500 the host caught the host's own");
for (const path of ["/nothing", "/api/webhooks", "/api/webhooks/other", "/api", "/assets/app.js", "/healthz/x"]) {
  equal(await ask("GET", path), "404 the host knows nothing of it");
}
equal(await ask("GET", "/healthz"), '200 {"status":"ok"}');
match(await ask("GET", "/api/webhooks/clerk"), /^405 \{"error":/);
match(await ask("GET", "/metrics"), /^401 \{"error":/);

// The tables, and the service without HTTP.
const sql = postgres(env["DATABASE_URL"] ?? "", { max: 1 });
const db = drizzle(sql);
const [row] = await db.select({ id: users.id }).from(users).where(eq(users.clerkId, "user_A"));
const [mentorado] = await db
  .select()
  .from(mentorados)
  .where(eq(mentorados.userId, row?.id ?? 0));
equal(mentorado?.id, mentoradoId);
equal((await db.select().from(webhookEvents)).length, 2);

// A failure of the database says no more under the host's formatter either.
await sql.unsafe("alter table users rename to hidden_users");
const broken = await nested(`clerkSync.sync.user?input=${encodeURIComponent('{"clerkId":"user_A"}')}`);
const text = await broken.text();
deepEqual(
  [broken.status, /Internal error; the server's log/.test(text), /hidden|relation/.test(text)],
  [500, true, false],
);
await sql.unsafe("alter table hidden_users rename to users");
await sql.end();
equal((await host.users.getUser("user_B")).link, "linked");
await host.close();
console.log("every procedure driven");
