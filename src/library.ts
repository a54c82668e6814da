import type { Hono } from "hono";
import type { ClerkApi } from "./clerk/clerkApi.ts";
import { createClerkApi } from "./clerk/createClerkApi.ts";
import { createSessionVerifier } from "./auth/sessionVerifier.ts";
import type { Clock } from "./clock.ts";
import type { Config } from "./config.ts";
import type { SyncObserver } from "./domain/observer.ts";
import { AppError } from "./errors.ts";
import { createApp as createHttpApp, type AppDeps } from "./http/app.ts";
import { silentLog, type Log } from "./log.ts";
import { createRetention } from "./service/retention.ts";
import { startScheduler } from "./service/runs/scheduler.ts";
import { createServices as createAllServices, type Services } from "./service/services.ts";
import { createUserService as createOneUserService, type UserService } from "./service/userService.ts";
import { openDatabase as openPool, type Database } from "./store/connection/database.ts";
import { migrateDatabase as migrate } from "./store/migration/migrate.ts";
import { createContextFactory as createFactory, type CreateContext } from "./trpc/context.ts";

const dayMs = 86_400_000;

/** What every part is made of: a configuration and a database, and what may be given otherwise. */
export interface SyncDeps {
  /** What `parseConfig` answers. */
  readonly config: Config;
  /** What `openDatabase` answers; one per process. */
  readonly database: Database;
  /** A pino logger; by default nothing is logged. Only ids are ever passed to it. */
  readonly log?: Log | undefined;
  /** Clerk's Backend API; by default the real one, with the config's key. */
  readonly clerk?: ClerkApi | undefined;
  /** Told what happens, for metrics and traces. */
  readonly observer?: SyncObserver | undefined;
  /** By default the computer's; to be given to `openDatabase` as well. */
  readonly clock?: Clock | undefined;
  /** What `createServices` answers, to share between the app, the router and code of your own; by default made anew. */
  readonly services?: Services | undefined;
}

/** What only the HTTP side takes. */
export type SyncAppOptions = Pick<AppDeps, "isDraining" | "metrics" | "rateLimits" | "hasPage">;

/**
 * Connects to nothing yet: the first call does.
 * @throws AppError `precondition_failed` if the configuration names no database
 */
export function openDatabase(
  config: Pick<Config, "databaseUrl"> & Partial<Pick<Config, "databasePoolMax">>,
  { log = silentLog, clock }: { log?: Log; clock?: Clock | undefined } = {},
): Database {
  if (config.databaseUrl === undefined) throw new AppError("precondition_failed", "DATABASE_URL is missing.");
  return openPool({
    url: config.databaseUrl,
    ...(config.databasePoolMax === undefined ? {} : { poolMax: config.databasePoolMax }),
    log,
    clock,
  });
}

/**
 * Brings the database to this program's schema; a second call changes nothing, of several at once each waits.
 * @throws AppError `precondition_failed` naming table, column and rows if data from before breaks a rule
 */
export async function migrateDatabase(
  config: Pick<Config, "migrationUrl">,
  { log = silentLog }: { log?: Log } = {},
): Promise<void> {
  if (config.migrationUrl === undefined) throw new AppError("precondition_failed", "DATABASE_URL is missing.");
  await migrate({ url: config.migrationUrl, log });
}

/** All that the transports can ask for, to ask it yourself. */
export function createServices(deps: SyncDeps): Services {
  return createAllServices(toServiceDeps(deps));
}

/** The one way in which what is learned from Clerk becomes rows. */
export function createUserService(deps: SyncDeps): UserService {
  return deps.services?.users ?? createOneUserService(toServiceDeps(deps));
}

/**
 * The HTTP side, to serve or to mount: `app.route("/", createApp(deps))`. Mounted it answers its own routes and leaves
 * all others, their 404s included, to the app around it.
 */
export function createApp(deps: SyncDeps & SyncAppOptions): Hono {
  return createHttpApp({ ...deps, ...toContextDeps(deps) });
}

/** For `appRouter` in a router of your own: the headers of a request, and its client's address → its context. */
export function createContextFactory(deps: SyncDeps & Pick<SyncAppOptions, "rateLimits">): CreateContext {
  return createFactory({ ...toContextDeps(deps), rateLimits: deps.rateLimits });
}

/**
 * Scheduled reconciles and the end of old payloads, as the config has them. Of several processes on one database one
 * does the work. `services` have to be given: their runs are closed by `stop`.
 */
export function startSchedule(deps: SyncDeps & { readonly services: Services }): { stop: () => Promise<void> } {
  const { config, database, services, clock, log = silentLog } = deps;
  const keepMs = config.eventRetentionDays * dayMs;
  const scheduler = startScheduler({
    runs: services.runs,
    retention: createRetention({ database, keepMs, log, clock }),
    reconcileEveryMs: config.reconcileEveryMinutes * 60_000,
    keepMs,
    hasClerkKey: config.clerkSecretKey !== undefined,
    log,
    clock,
  });
  return {
    stop: async () => {
      scheduler.stop();
      await services.runs.close();
    },
  };
}

function toServiceDeps({ config, database, log = silentLog, observer, clock, ...deps }: SyncDeps) {
  const { clerkSecretKey: secretKey, clerkApiUrl: apiUrl, clerkInstanceId, defaultTurma } = config;
  const clerk = deps.clerk ?? createClerkApi({ secretKey, apiUrl, log, observer, clock });
  return { database, clerk, log, defaultTurma, clerkInstanceId, observer, clock };
}

function toContextDeps(deps: SyncDeps) {
  const { config, clock, log = silentLog } = deps;
  return {
    clock,
    services: deps.services ?? createServices(deps),
    log,
    webhookSecrets: config.webhookSecrets,
    defaultTurma: config.defaultTurma,
    clerkInstanceId: config.clerkInstanceId,
    adminToken: config.adminApiToken,
    verifySession: createSessionVerifier({
      jwtKey: config.clerkJwtKey,
      secretKey: config.clerkSecretKey,
      authorizedParties: config.clerkAuthorizedParties,
      apiUrl: config.clerkApiUrl,
      log,
      clock,
    }),
  };
}
