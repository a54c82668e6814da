import { z } from "zod";
import { adminProcedure, router } from "./init.ts";
import { clerkIdSchema } from "./inputs.ts";

/** Status and re-sync, for admins. */
export const syncRouter = router({
  /** The whole sync: users, links, events, lag, the newest run. */
  status: adminProcedure.query(({ ctx }) => ctx.services.status.getStatus()),
  /** The stored state of one user; Clerk is not asked. */
  user: adminProcedure
    .input(z.object({ clerkId: clerkIdSchema }))
    .query(({ ctx, input }) => ctx.services.users.getUser(input.clerkId)),
  /** Fetches one user from Clerk and applies it. */
  resync: adminProcedure
    .input(z.object({ clerkId: clerkIdSchema, dryRun: z.boolean().optional() }))
    .mutation(({ ctx, input }) => ctx.services.users.resync({ ...input, requestId: ctx.requestId })),
});
