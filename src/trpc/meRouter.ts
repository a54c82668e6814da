import { router, sessionProcedure } from "./init.ts";

/** For any Clerk session. */
export const meRouter = router({
  /** The stored state of the caller; a caller not yet stored is fetched from Clerk and stored first (first login). */
  get: sessionProcedure.query(({ ctx }) => ctx.services.firstLogin.getCaller(ctx.clerkId, ctx)),
});
