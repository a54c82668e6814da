import type { Hono } from "hono";
import { createSessionVerifier } from "./auth/sessionVerifier.ts";
import type { ClerkApi } from "./clerk/clerkApi.ts";
import { createClerkApi } from "./clerk/createClerkApi.ts";
import type { Clock } from "./clock.ts";
import type { Config } from "./config.ts";
import type { SyncObserver } from "./domain/observer.ts";
import { createApp as createHttpApp, type AppDeps } from "./http/app.ts";
import { silentLog, withSafeErrors, type Log } from "./log.ts";
import { createEventsService } from "./service/eventsService.ts";
import { createFirstLogin } from "./service/firstLogin.ts";
import { createInstanceCheck } from "./service/instanceCheck.ts";
import { createLinksService } from "./service/linksService.ts";
import { createRetention } from "./service/retention.ts";
import { createDueWork as createWork, type DueWork } from "./service/runs/dueWork.ts";
import { createRunsService } from "./service/runs/runsService.ts";
import { startScheduler } from "./service/runs/scheduler.ts";
import type { Services } from "./service/services.ts";
import { createStatusService } from "./service/statusService.ts";
import { createUserService as createUsers, type UserService } from "./service/userService.ts";
import { openDatabase, type Database } from "./store/connection/database.ts";
import { awakeAfterUseMs, inBackground } from "./store/connection/inBackground.ts";
import { createUserWriter } from "./store/users/userWriter.ts";
import { createContextFactory as createFactory, type CreateContext } from "./trpc/context.ts";

const dayMs = 86_400_000;

/** Dependencies of all factories. Configuration and database are required, the rest replaces defaults. */
export interface SyncDeps {
  /** From `parseConfig`. */
  readonly config: Config;
  /** From `openDatabase`; one per process. */
  readonly database: Database;
  /** A pino logger, or another with its methods; by default nothing is logged. Only ids are ever passed to it. */
  readonly log?: Log | undefined;
  /** Clerk's Backend API; by default the real one with the config's key. Null: none, as without a key. */
  readonly clerk?: ClerkApi | null | undefined;
  /** Receives measurements, for metrics and traces. */
  readonly observer?: SyncObserver | undefined;
  /** Default: the system clock. Pass the same one to `openDatabase`. */
  readonly clock?: Clock | undefined;
  /** From `createServices`, to share between the app, the router and code of your own; default: new ones. */
  readonly services?: Services | undefined;
}

/** Options of the HTTP side alone. */
export type SyncAppOptions = Pick<
  AppDeps,
  "isDraining" | "findRehearsal" | "onReadinessAsked" | "metrics" | "rateLimits" | "hasPage" | "dueWork"
>;

/** All parts of a process except the HTTP side. */
export interface SyncParts {
  readonly config: Config;
  readonly log: Log;
  readonly observer: SyncObserver | undefined;
  readonly database: Database;
  /** Null: there is no `CLERK_SECRET_KEY`. */
  readonly clerk: ClerkApi | null;
  readonly services: Services;
}

/**
 * Creates the parts that server and command line share, as configured. Connects to nothing yet; the caller closes
 * `services.runs` and `database`.
 * @throws AppError `precondition_failed` if the configuration names no database
 */
export function openParts(
  config: Config,
  { log, observer }: { log: Log; observer?: SyncObserver | undefined },
): SyncParts {
  const database = openDatabase(config, { log });
  const deps = { config, database, log, observer };
  const clerk = toClerk(deps);
  return { ...deps, clerk, services: createServices({ ...deps, clerk }) };
}

/** The services behind the transports, to call them yourself. */
export function createServices(deps: Omit<SyncDeps, "services">): Services {
  const { config, database, observer, clock } = deps;
  const log = toSafeLog(deps);
  const writer = createUserWriter({ database, defaultTurma: config.defaultTurma });
  const instanceCheck = createInstanceCheck({ database, clerkInstanceId: config.clerkInstanceId, clock });
  const parts = { database, writer, clerk: toClerk(deps), instanceCheck, log, observer, clock };
  const users = createUsers(parts);
  return {
    users,
    status: createStatusService({ ...parts, defaultTurma: config.defaultTurma }),
    events: createEventsService({ ...parts, users, instanceId: config.clerkInstanceId }),
    links: createLinksService({ ...parts, users }),
    runs: createRunsService(parts),
    firstLogin: createFirstLogin({ ...parts, users }),
  };
}

/**
 * Applies one change (`applyChange`, in a group commit), re-syncs and looks up users. Runs write by page; all of them go
 * through the same SQL function.
 */
export function createUserService(deps: SyncDeps): UserService {
  return (deps.services ?? createServices(deps)).users;
}

/**
 * The HTTP side, to serve or to mount: `app.route("/", createApp(deps))`. Mounted it answers its own routes and leaves
 * all others, their 404s included, to the host app.
 */
export function createApp(deps: SyncDeps & SyncAppOptions): Hono {
  const { webhookSecrets, defaultTurma, clerkInstanceId, corsOrigins } = deps.config;
  return createHttpApp({ ...deps, ...toAccess(deps), webhookSecrets, defaultTurma, clerkInstanceId, corsOrigins });
}

/** For `appRouter` in a router of your own: makes the context from a request's headers and its client's address. */
export function createContextFactory(deps: SyncDeps & Pick<SyncAppOptions, "rateLimits">): CreateContext {
  return createFactory({ ...toAccess(deps), rateLimits: deps.rateLimits });
}

/**
 * Starts scheduled reconciles and retention as configured. If several processes use one database, each scheduled run
 * works in one of them. `services` are required: `stop` closes their runs.
 */
export function startSchedule(deps: SyncDeps & { readonly services: Services }): { stop: () => Promise<void> } {
  const scheduler = startScheduler(toScheduleDeps(deps));
  return {
    stop: async () => {
      scheduler.stop();
      await deps.services.runs.close();
    },
  };
}

/** The work of `startSchedule` for a process without timers: an external call starts it. */
export function createDueWork(deps: SyncDeps & { readonly services: Services }): DueWork {
  return createWork(toScheduleDeps(deps));
}

function toScheduleDeps(deps: SyncDeps & { readonly services: Services }) {
  const { config, database, services, clock } = deps;
  const log = toSafeLog(deps);
  const keepMs = config.eventRetentionDays * dayMs;
  const ledgerKeepMs = config.ledgerRetentionDays === 0 ? undefined : config.ledgerRetentionDays * dayMs;
  return {
    runs: services.runs,
    // Refreshes the alarm figures of `/metrics`, but not if the database has been idle: a suspended compute stays suspended.
    afterJob: async () => {
      await services.runs.whenIdle();
      if (database.idleMs() < awakeAfterUseMs) await services.status.getStatus();
    },
    retention: createRetention({ database: inBackground(database), keepMs, ledgerKeepMs, log, clock }),
    database,
    reconcileEveryMs: config.reconcileEveryMinutes * 60_000,
    keepMs,
    hasClerkKey: toClerk(deps) !== null,
    log,
    clock,
  };
}

function toClerk({ config, clerk, log = silentLog, observer, clock }: Omit<SyncDeps, "services">): ClerkApi | null {
  if (clerk !== undefined) return clerk;
  const { clerkSecretKey: secretKey, clerkApiUrl: apiUrl } = config;
  return secretKey === undefined ? null : createClerkApi({ secretKey, apiUrl, log, observer, clock });
}

/** Dependencies that `createApp` and `createContextFactory` share: services and the checks of access. */
function toAccess(deps: SyncDeps) {
  const { config, clock } = deps;
  const log = toSafeLog(deps);
  return {
    clock,
    services: deps.services ?? createServices(deps),
    log,
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

function toSafeLog({ log = silentLog }: Pick<SyncDeps, "log">): Log {
  return withSafeErrors(log);
}
