// The parts for a team that already has a Bun, Hono and tRPC backend.
export { parseConfig, type Config } from "./config.ts";
export { createClerkApi } from "./clerk/createClerkApi.ts";
export type { ClerkApi } from "./clerk/clerkApi.ts";
export { createApp, type AppDeps } from "./http/app.ts";
export { createServices, type Services } from "./service/services.ts";
export { createUserService, type UserService } from "./service/userService.ts";
export { openDatabase, type Database } from "./store/database.ts";
export { migrateDatabase } from "./store/migrate.ts";
export { appRouter, type AppRouter } from "./trpc/appRouter.ts";
export { createContextFactory, type SyncContext } from "./trpc/context.ts";
