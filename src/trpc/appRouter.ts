import { eventsRouter } from "./eventsRouter.ts";
import { rootRouter, router } from "./init.ts";
import { linksRouter } from "./linksRouter.ts";
import { meRouter } from "./meRouter.ts";
import { runsRouter } from "./runsRouter.ts";
import { syncRouter } from "./syncRouter.ts";

const nouns = { sync: syncRouter, events: eventsRouter, links: linksRouter, runs: runsRouter, me: meRouter };

/** All procedures, to serve or to merge into a router of one's own. */
export const appRouter = router(nouns);

/** The same at the root of our own app, where what never reaches a procedure is said in our words too. */
export const servedRouter = rootRouter(nouns);

/** The type a tRPC client needs; no server code comes with it. */
export type AppRouter = typeof appRouter;
