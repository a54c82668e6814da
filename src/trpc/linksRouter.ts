import { z } from "zod";
import { adminProcedure, router } from "./init.ts";
import { clerkIdSchema, cursorSchema, limitSchema, mentoradoIdSchema, rowIdSchema, toPage } from "./inputs.ts";

/** Links between users and mentorados, for admins. */
export const linksRouter = router({
  /** Users whose mentorado an operator has to choose. */
  conflicts: adminProcedure
    .input(z.object({ cursor: cursorSchema(rowIdSchema), limit: limitSchema }).prefault({}))
    .query(async ({ ctx, input }) => {
      const { cursor: afterUserId = 0, limit } = input;
      const rows = await ctx.services.links.listConflicts({ afterUserId, limit: limit + 1 });
      const { items, nextCursor } = toPage(rows, limit, (row) => row.userId);
      return { items: items.map(({ userId: _userId, ...conflict }) => conflict), nextCursor };
    }),
  /** Links a mentorado to a user. */
  resolve: adminProcedure
    .input(z.object({ clerkId: clerkIdSchema, mentoradoId: mentoradoIdSchema }))
    .mutation(({ ctx, input }) => ctx.services.links.resolve({ ...input, actor: ctx.actor, requestId: ctx.requestId })),
  /** Unlinks a mentorado from its user. The sync then links none to that user until an operator does. */
  unlink: adminProcedure
    .input(z.object({ mentoradoId: mentoradoIdSchema }))
    .mutation(({ ctx, input }) => ctx.services.links.unlink({ ...input, actor: ctx.actor, requestId: ctx.requestId })),
});
