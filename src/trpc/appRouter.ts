import { eventsRouter } from "./eventsRouter.ts";
import { router } from "./init.ts";
import { linksRouter } from "./linksRouter.ts";
import { syncRouter } from "./syncRouter.ts";

export const appRouter = router({ sync: syncRouter, events: eventsRouter, links: linksRouter });

/** The type a tRPC client needs; no server code comes with it. */
export type AppRouter = typeof appRouter;
