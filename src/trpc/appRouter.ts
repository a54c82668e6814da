import { eventsRouter } from "./eventsRouter.ts";
import { rootRouter, router } from "./init.ts";
import { linksRouter } from "./linksRouter.ts";
import { meRouter } from "./meRouter.ts";
import { runsRouter } from "./runsRouter.ts";
import { syncRouter } from "./syncRouter.ts";

const routers = { sync: syncRouter, events: eventsRouter, links: linksRouter, runs: runsRouter, me: meRouter };

/** All procedures, to serve or to merge into a router of your own. */
export const appRouter = router(routers);

/** The same as the root router of our own app: errors outside of a procedure have our texts too. */
export const servedRouter = rootRouter(routers);

/** The type a tRPC client needs; no server code comes with it. */
export type AppRouter = typeof appRouter;
