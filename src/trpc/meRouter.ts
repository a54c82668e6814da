import { router, sessionProcedure } from "./init.ts";

export const meRouter = router({
  /** The caller as known here; one who is not here yet is synced on the spot. */
  get: sessionProcedure.query(({ ctx }) => ctx.services.firstLogin.getCaller(ctx.clerkId, ctx)),
});
