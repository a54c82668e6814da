import type { Hono } from "hono";
import type { Row } from "postgres";
import { Webhook } from "svix";
import type { ClerkApi, ClerkUser } from "../../src/clerk/clerkApi.ts";
import { createServices } from "../../src/compose.ts";
import { parseConfig } from "../../src/config.ts";
import { createApp, type AppDeps } from "../../src/http/app.ts";
import type { Clock } from "../../src/clock.ts";
import { silentLog, type Log } from "../../src/log.ts";
import type { Services } from "../../src/service/services.ts";
import { openDatabase, type Database } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { openTestDatabase, type TestDatabase } from "./testDatabase.ts";

export const testSecret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
export const testAdminToken = "test-admin-token-of-32-characters";

export interface Answer {
  readonly status: number;
  /** The outcome, or the error's code. */
  readonly said: string;
  readonly headers: Headers;
}

/** What a case of the contract needs, wherever the app runs. */
export interface ContractApp {
  readonly app: { readonly request: (path: string, init?: RequestInit) => Response | Promise<Response> };
  readonly sql: TestDatabase["sql"];
  /** Signs and posts; an object is sent as JSON. */
  readonly deliver: (event: unknown, options?: DeliveryOptions) => Promise<Answer>;
}

export interface TestApp extends ContractApp {
  readonly app: Hono;
  readonly db: TestDatabase;
  readonly database: Database;
  readonly services: Services;
  /** A user's row with every column. */
  readonly findUser: (clerkId: string) => Promise<Row | undefined>;
  /** A row of the ledger with every column. */
  readonly findEvent: (svixId: string) => Promise<Row | undefined>;
  readonly close: () => Promise<void>;
}

export interface DeliveryOptions {
  readonly svixId?: string;
  readonly secret?: string;
  readonly at?: Date;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A Clerk that has these users and no others. */
export function createFixedClerk(users: readonly ClerkUser[] = []): ClerkApi {
  return {
    getUser: (clerkId) => Promise.resolve(users.find((user) => user.id === clerkId) ?? null),
    listUsers: () => Promise.resolve(users),
    findUsers: (clerkIds) => Promise.resolve(users.filter((user) => clerkIds.includes(user.id))),
    countUsers: () => Promise.resolve(users.length),
    // As the events of the tests have it.
    findInstanceId: () => Promise.resolve("ins_1"),
  };
}

let deliveries = 0;

/** The headers of a delivery as Svix makes them. */
export function signDelivery(body: string, options: DeliveryOptions = {}): Record<string, string> {
  const svixId = options.svixId ?? `msg_${++deliveries}`;
  const at = options.at ?? new Date();
  return {
    "content-type": "application/json",
    "svix-id": svixId,
    "svix-timestamp": String(Math.floor(at.getTime() / 1000)),
    "svix-signature": new Webhook(options.secret ?? testSecret).sign(svixId, at, body),
    ...options.headers,
  };
}

/** The whole app over a database of its own, without a socket between. */
export async function openTestApp(
  options: {
    /** Null: as without `CLERK_SECRET_KEY`. */
    clerk?: ClerkApi | null;
    clerkInstanceId?: string | undefined;
    /** Of the services and the HTTP side; the database keeps the computer's. */
    clock?: Clock;
    app?: Partial<AppDeps>;
    databaseUrl?: (url: string) => string;
    wrapDatabase?: (database: Database) => Database;
    log?: Log;
    /** See `openTestDatabase`. */
    icuLocale?: string;
  } = {},
): Promise<TestApp> {
  const db = await openTestDatabase({ icuLocale: options.icuLocale });
  const opened = openDatabase({ dsn: parseDsn(options.databaseUrl?.(db.url) ?? db.url), databasePoolMax: 5 });
  const database = options.wrapDatabase?.(opened) ?? opened;
  const config = { ...parseConfig({}), clerkInstanceId: options.clerkInstanceId };
  const { log = silentLog } = options;
  const services = createServices({
    config,
    database,
    clerk: options.clerk === undefined ? createFixedClerk() : options.clerk,
    log,
    observer: options.app?.observer,
    clock: options.clock,
  });
  const app = createApp({
    services,
    database,
    log,
    webhookSecrets: [testSecret],
    adminToken: testAdminToken,
    defaultTurma: config.defaultTurma,
    clock: options.clock,
    ...options.app,
  });
  return {
    app,
    db,
    sql: db.sql,
    database,
    services,
    deliver: async (event, delivery) => {
      const body = typeof event === "string" ? event : JSON.stringify(event);
      return post(app, body, signDelivery(body, delivery));
    },
    findUser: async (clerkId) => (await db.sql`select * from users where clerk_id = ${clerkId}`)[0],
    findEvent: async (svixId) => (await db.sql`select * from webhook_events where svix_id = ${svixId}`)[0],
    close: async () => {
      await database.close();
      await db.close();
    },
  };
}

export async function post(
  app: ContractApp["app"],
  body: NonNullable<RequestInit["body"]>,
  headers: Record<string, string>,
): Promise<Answer> {
  const res = await app.request("/api/webhooks/clerk", { method: "POST", body, headers });
  const answer = (await res.json()) as { outcome?: string; error?: { code: string } };
  return { status: res.status, said: answer.outcome ?? answer.error?.code ?? "", headers: res.headers };
}
