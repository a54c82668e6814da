import { z } from "zod";
import { adminProcedure, router } from "./init.ts";
import { cursorSchema, idSchema, instantSchema, limitSchema, toPage } from "./inputs.ts";

const kindSchema = z.enum(["backfill", "reconcile"]);

/** Backfills and reconciles, for admins. */
export const runsRouter = router({
  /** Starts a run in the background, or resumes one that was stopped. */
  start: adminProcedure
    .input(z.object({ kind: kindSchema, dryRun: z.boolean().optional() }))
    .mutation(({ ctx, input }) => ctx.services.runs.start(input)),
  get: adminProcedure
    .input(z.object({ runId: idSchema }))
    .query(({ ctx, input }) => ctx.services.runs.get(input.runId)),
  /** Newest first. */
  list: adminProcedure
    .input(
      z
        .object({
          cursor: cursorSchema(z.object({ startedAt: instantSchema, runId: z.uuid() })),
          limit: limitSchema,
        })
        .prefault({}),
    )
    .query(async ({ ctx, input }) => {
      const { cursor: after, limit } = input;
      const rows = await ctx.services.runs.list({ after, limit: limit + 1 });
      return toPage(rows, limit, ({ startedAt, runId }) => ({ startedAt, runId }));
    }),
  /** Asks a run to stop, whichever process works on it. */
  cancel: adminProcedure
    .input(z.object({ runId: idSchema }))
    .mutation(({ ctx, input }) => ctx.services.runs.cancel(input.runId)),
});
