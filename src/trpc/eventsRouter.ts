import { z } from "zod";
import { adminProcedure, router } from "./init.ts";
import { clerkIdSchema, cursorSchema, idSchema, instantSchema, limitSchema, storableSchema, toPage } from "./inputs.ts";

/** 30 days, longer than any range of the plot. */
const seriesHoursMax = 720;

const cursor = cursorSchema(z.object({ receivedAt: instantSchema, svixId: storableSchema }));

/** Events of the ledger, for admins. */
export const eventsRouter = router({
  /** The ledger, newest first. */
  list: adminProcedure
    .input(
      z
        .object({
          outcome: z.enum(["applied", "unchanged", "stale", "ignored", "dead"]).optional(),
          clerkId: clerkIdSchema.optional(),
          cursor,
          limit: limitSchema,
        })
        .prefault({}),
    )
    .query(async ({ ctx, input }) => {
      const { cursor: after, limit, ...filter } = input;
      const rows = await ctx.services.events.list({ ...filter, after, limit: limit + 1 });
      return toPage(rows, limit, ({ receivedAt, svixId }) => ({ receivedAt, svixId }));
    }),
  /** One event with its payload, if that is still kept. */
  get: adminProcedure
    .input(z.object({ svixId: idSchema }))
    .query(({ ctx, input }) => ctx.services.events.get(input.svixId)),
  /** Reprocesses a stored event. */
  replay: adminProcedure
    .input(z.object({ svixId: idSchema }))
    .mutation(({ ctx, input }) => ctx.services.events.replay({ ...input, actor: ctx.actor, requestId: ctx.requestId })),
  /** Deliveries by outcome and their lag, hour by hour. */
  series: adminProcedure
    .input(z.object({ hours: z.int().min(1).max(seriesHoursMax).default(48) }).prefault({}))
    .query(async ({ ctx, input }) => ({ items: await ctx.services.events.series(input) })),
});
