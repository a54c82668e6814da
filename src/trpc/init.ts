import { initTRPC, TRPCError, type TRPC_ERROR_CODE_KEY } from "@trpc/server";
import { z, ZodError } from "zod";
import { AppError, type ErrorCode } from "../errors.ts";
import type { SyncContext } from "./context.ts";

/** The one table from what went wrong to tRPC; a new code does not compile until it stands here. */
const trpcCodeOf: Readonly<Record<ErrorCode, TRPC_ERROR_CODE_KEY>> = {
  missing_headers: "BAD_REQUEST",
  invalid_signature: "BAD_REQUEST",
  timestamp_out_of_tolerance: "BAD_REQUEST",
  bad_request: "BAD_REQUEST",
  unauthorized: "UNAUTHORIZED",
  forbidden: "FORBIDDEN",
  not_found: "NOT_FOUND",
  method_not_allowed: "METHOD_NOT_SUPPORTED",
  request_timeout: "TIMEOUT",
  conflict: "CONFLICT",
  precondition_failed: "PRECONDITION_FAILED",
  payload_too_large: "PAYLOAD_TOO_LARGE",
  invalid_event: "UNPROCESSABLE_CONTENT",
  too_many_requests: "TOO_MANY_REQUESTS",
  internal: "INTERNAL_SERVER_ERROR",
  unavailable: "SERVICE_UNAVAILABLE",
  clerk_unavailable: "SERVICE_UNAVAILABLE",
};

const t = initTRPC.context<SyncContext>().create({
  // No stack in any answer, whatever NODE_ENV says.
  isDev: false,
  errorFormatter: ({ shape, error }) => ({ ...shape, message: toPublicMessage(error) }),
});

/** The one place where an error's text is chosen for the outside. */
function toPublicMessage(error: TRPCError): string {
  if (error.cause instanceof ZodError) return `Invalid input: ${z.prettifyError(error.cause)}`;
  if (error.cause instanceof AppError) return error.cause.message;
  return error.code === "INTERNAL_SERVER_ERROR" ? "Something went wrong here." : error.message;
}

const withErrors = t.middleware(async ({ ctx, path, next }) => {
  const result = await next();
  if (result.ok) return result;
  const { cause } = result.error;
  if (cause instanceof AppError) {
    if (cause.cause !== undefined) ctx.log.warn({ err: cause, path }, "[tRPC] A call failed");
    // Without a message of its own a TRPCError shows its cause's.
    throw new TRPCError({ code: trpcCodeOf[cause.code], message: cause.message, cause });
  }
  if (result.error.code === "INTERNAL_SERVER_ERROR") ctx.log.error({ err: result.error, path }, "[tRPC] A call failed");
  return result;
});

const procedure = t.procedure.use(withErrors);

/** Needs a Clerk session; the caller's user id is `ctx.clerkId`. Judged before the input. */
export const sessionProcedure = procedure.use(async ({ ctx, next }) => {
  const actor = await ctx.findActor();
  if (actor?.kind !== "session") throw new AppError("unauthorized", "A Clerk session token is needed.");
  return next({ ctx: { clerkId: actor.clerkId } });
});

/**
 * Needs the admin token, or the session of a user whose role in the database is `admin` at this moment. Judged before
 * the input. `ctx.actor` names the caller for the audit trail.
 */
export const adminProcedure = procedure.use(async ({ ctx, next }) => {
  const actor = await ctx.findActor();
  if (actor === null) throw new AppError("unauthorized", "The admin token or a Clerk session token is needed.");
  if (actor.kind === "session" && !(await ctx.isAdmin(actor.clerkId))) {
    throw new AppError("forbidden", "This needs the role admin.");
  }
  return next({ ctx: { actor: actor.kind === "session" ? `operator:${actor.clerkId}` : "operator:token" } });
});

export const router = t.router;
