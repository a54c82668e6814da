/**
 * The parts for a team that already has a Bun, Hono and tRPC backend. In short:
 *
 * ```ts
 * const config = parseConfig(process.env);
 * const database = openDatabase(config, { log });
 * const services = createServices({ config, database, log });
 * const deps = { config, database, services, log };
 *
 * // Into a Hono app: webhook, /api/trpc, /healthz, /readyz, /metrics and the operator page.
 * app.route("/", createApp(deps));
 *
 * // Or its procedures into a tRPC router of your own, beside or among others; the context is made per request.
 * const createSyncContext = createContextFactory(deps);
 * const root = router({ clerkSync: appRouter, ...own });
 * const createContext = ({ req }) => ({ ...ownContext(req), ...createSyncContext(req.headers) });
 *
 * // What a server does in the background: scheduled reconciles and retention.
 * const schedule = startSchedule(deps);
 *
 * // At the end.
 * await schedule.stop();
 * await database.close();
 * ```
 *
 * Migrate the database first: `await migrateDatabase(config)`, or the command line's `migrate`.
 */
export { createClerkApi } from "./clerk/createClerkApi.ts";
export type { ClerkApi, ClerkUser } from "./clerk/clerkApi.ts";
export { ConfigError, parseConfig, type Config, type StartConfig } from "./config.ts";
export type { SyncObserver } from "./domain/observer.ts";
export { AppError, type ErrorCode } from "./errors.ts";
export {
  createApp,
  createContextFactory,
  createServices,
  createUserService,
  startSchedule,
  type SyncAppOptions,
  type SyncDeps,
} from "./compose.ts";
export type { Services } from "./service/services.ts";
export type { UserService } from "./service/userService.ts";
export { openDatabase, type Database } from "./store/connection/database.ts";
export { migrateDatabase } from "./store/migration/migrate.ts";
export { createMetrics, type Metrics } from "./telemetry/metrics.ts";
export { appRouter, type AppRouter } from "./trpc/appRouter.ts";
export type { CreateContext, SyncContext } from "./trpc/context.ts";
