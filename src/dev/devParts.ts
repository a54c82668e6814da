import { randomInt } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import type { Config } from "../config.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { createCourier } from "./clerk/courier.ts";
import { developmentAdminToken, developmentSeed, developmentWebhookSecret } from "./clerk/developmentKeys.ts";
import { openEmbeddedPostgres } from "./postgres/embeddedPostgres.ts";
import { openSimulatedClerk } from "./clerk/simulatedClerk.ts";

/** Enough for several pages, few enough to look at. */
const simulatedUsers = 1_000;
const databaseName = "clerk_neon_sync";
/** Svix's retry delays of 5 s to 10 h become 25 ms to 3 min. */
const retryScale = 0.005;

/** Stand-ins for what the environment lacks. */
export interface DevParts {
  /** Variables that override the environment. */
  readonly env: Readonly<Record<string, string>>;
  /** One line for each stand-in. */
  readonly notices: readonly string[];
  readonly close: () => Promise<void>;
}

/**
 * Opens stand-ins for what the configuration lacks: Postgres in `.data/`, a simulated Clerk, keys for development.
 * @param options.env the environment, which shows what is set
 */
export async function openDevParts(options: {
  config: Config;
  env: Readonly<Record<string, string | undefined>>;
  dataFolder: string;
  log: Log;
}): Promise<DevParts> {
  const { config } = options;
  const parts: DevParts[] = [];
  const close = async () => {
    for (const part of parts.toReversed()) await part.close();
  };
  try {
    if (config.dsn === undefined) parts.push(await openDatabasePart(options));
    if (config.webhookSecrets.length === 0) parts.push(secretPart());
    if (config.clerkSecretKey === undefined) parts.push(await openClerkPart(options));
    parts.push(addressPart(options));
    return {
      env: Object.assign({}, ...parts.map((part) => part.env)) as Record<string, string>,
      notices: parts.flatMap((part) => part.notices),
      close,
    };
  } catch (cause) {
    await close();
    throw cause;
  }
}

async function openDatabasePart({ dataFolder, log }: { dataFolder: string; log: Log }): Promise<DevParts> {
  const folder = join(dataFolder, "postgres");
  const server = await openEmbeddedPostgres({ dataFolder: folder, persistent: true, log }).catch((cause: unknown) => {
    throw new AppError("unavailable", cause instanceof Error ? cause.message : String(cause), { cause });
  });
  const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
  const [found] = await sql`select from pg_database where datname = ${databaseName}`;
  await sql.end();
  if (!found) await server.createDatabase(databaseName);
  const url = server.urlFor(databaseName);
  return {
    env: { DATABASE_URL: url, DATABASE_URL_UNPOOLED: url },
    notices: [`No DATABASE_URL: an embedded Postgres keeps its data in ${server.dataFolder} (psql ${url})`],
    close: () => server.stop(),
  };
}

function secretPart(): DevParts {
  return {
    env: { CLERK_WEBHOOK_SECRET: developmentWebhookSecret },
    notices: [
      `No CLERK_WEBHOOK_SECRET: the development one is used, with which \`bun run cli simulate\` signs (${developmentWebhookSecret})`,
    ],
    close: () => Promise.resolve(),
  };
}

async function openClerkPart({ config, log }: { config: Config; log: Log }): Promise<DevParts> {
  if (config.webhookSecrets.length > 0) {
    // The webhooks come from a real Clerk, whose users a simulated one does not have.
    const notice = "No CLERK_SECRET_KEY: re-sync, backfill and reconcile will fail and name it";
    return { env: {}, notices: [notice], close: () => Promise.resolve() };
  }
  const clerk = await openSimulatedClerk({
    seed: developmentSeed,
    ...(config.clerkInstanceId === undefined ? {} : { instanceId: config.clerkInstanceId }),
    users: simulatedUsers,
    // The database keeps the users of earlier runs, so new sign-ups need new ids.
    firstSequence: randomInt(2 ** 30, 2 ** 35),
  });
  const courier = createCourier({
    url: `http://127.0.0.1:${config.port}/api/webhooks/clerk`,
    secrets: [developmentWebhookSecret],
    retryScale,
  });
  let isClosing = false;
  clerk.changes.onEvent((event) => {
    courier.send(event).catch((err: unknown) => {
      // `close` ends pending retries, which is no error.
      if (!isClosing)
        log.error({ err, svixId: event.svixId }, "[Dev] An event of the simulated Clerk was not delivered");
    });
  });
  const isOwnDatabase = config.dsn !== undefined;
  return {
    env: {
      CLERK_API_URL: clerk.apiUrl,
      CLERK_SECRET_KEY: clerk.secretKey,
      CLERK_JWT_KEY: (await clerk.sessions()).jwtKey,
      // A reconcile with a simulated Clerk must not delete the users of a real database.
      ...(isOwnDatabase ? { RECONCILE_EVERY_MINUTES: "0" } : {}),
    },
    notices: [
      `No CLERK_SECRET_KEY: a simulated Clerk with ${simulatedUsers} users answers at ${clerk.apiUrl} (key ${clerk.secretKey})` +
        (isOwnDatabase ? "; scheduled reconcile is off" : ""),
    ],
    close: async () => {
      isClosing = true;
      await courier.stop();
      await clerk.close();
    },
  };
}

function addressPart({ config, env }: { config: Config; env: Readonly<Record<string, string | undefined>> }): DevParts {
  const hasToken = config.adminApiToken !== undefined;
  return {
    env: {
      ...(hasToken ? {} : { ADMIN_API_TOKEN: developmentAdminToken }),
      // The development keys are public: listen on loopback only.
      ...(env["HOST"] ? {} : { HOST: "127.0.0.1" }),
    },
    notices: hasToken ? [] : [`No ADMIN_API_TOKEN: the development one is used (${developmentAdminToken})`],
    close: () => Promise.resolve(),
  };
}

/** Writes the variables for other terminals: `bun --env-file=.data/dev.env run cli status`. */
export async function writeEnvFile(folder: string, env: Readonly<Record<string, string>>): Promise<string> {
  const file = join(folder, "dev.env");
  const lines = Object.entries(env).map(([name, value]) => `${name}="${value.replaceAll("\n", "\\n")}"\n`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, lines.join(""), { mode: 0o600 });
  return file;
}
