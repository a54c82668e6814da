import { router } from "./init.ts";
import { syncRouter } from "./syncRouter.ts";

export const appRouter = router({ sync: syncRouter });

/** The type a tRPC client needs; no server code comes with it. */
export type AppRouter = typeof appRouter;
