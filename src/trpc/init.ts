import { initTRPC, TRPCError, type TRPC_ERROR_CODE_KEY } from "@trpc/server";
import { z, ZodError } from "zod";
import { AppError, type ErrorCode, errorTexts } from "../errors.ts";
import type { SyncContext } from "./context.ts";

/** Maps every error code to tRPC's; a new code does not compile until it is mapped. */
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
  refused: "CONFLICT",
  clerk_unavailable: "SERVICE_UNAVAILABLE",
};

// The default error formatter, so that these procedures can be merged into a router that has one of its own; no stack
// in any answer, whatever NODE_ENV says.
const t = initTRPC.context<SyncContext>().create({ isDev: false });

/**
 * Turns whatever a procedure throws into a TRPCError whose message may be shown to any client, whatever formatter the
 * root router has. The log keeps the cause.
 */
const withErrors = t.middleware(async ({ ctx, path, next }) => {
  const result = await next();
  if (result.ok) return result;
  const { cause, code } = result.error;
  if (cause instanceof AppError) {
    if (cause.cause !== undefined) ctx.log.warn({ err: cause, path }, "[tRPC] A call failed");
    throw new TRPCError({ code: trpcCodeOf[cause.code], message: cause.message, cause });
  }
  if (cause instanceof ZodError) {
    throw new TRPCError({ code, message: `Invalid input: ${z.prettifyError(cause)}`, cause });
  }
  if (code === "INTERNAL_SERVER_ERROR") {
    ctx.log.error({ err: result.error, path }, "[tRPC] A call failed");
  }
  throw new TRPCError({ code, message: toPublicText(result.error), cause: result.error });
});

/** In place of tRPC's own texts, which can quote the request or the parser's message. */
const publicTexts: Partial<Record<TRPC_ERROR_CODE_KEY, string>> = {
  PARSE_ERROR: "The input is not valid JSON.",
  BAD_REQUEST: "The request is malformed.",
  NOT_FOUND: "There is no such procedure.",
  METHOD_NOT_SUPPORTED: "Queries need GET, mutations need POST.",
  UNSUPPORTED_MEDIA_TYPE: "The content type must be application/json.",
  INTERNAL_SERVER_ERROR: errorTexts.internal,
};

/**
 * Creates the root router of our own app. Its formatter gives errors outside of a procedure (an unknown path, a broken
 * batch) our texts too.
 */
export const rootRouter = initTRPC.context<SyncContext>().create({
  isDev: false,
  errorFormatter: ({ shape, error, ctx }) => ({
    ...shape,
    data: { ...shape.data, ...(ctx?.requestId === undefined ? {} : { requestId: ctx.requestId }) },
    // Errors with these causes have their text from `withErrors`.
    message: error.cause instanceof AppError || error.cause instanceof ZodError ? shape.message : toPublicText(error),
  }),
}).router;

function toPublicText({ code, message }: TRPCError): string {
  return publicTexts[code] ?? message;
}

const procedure = t.procedure.use(withErrors);

/** Needs a Clerk session; the caller's user id is `ctx.clerkId`. Checked before the input. */
export const sessionProcedure = procedure.use(async ({ ctx, next }) => {
  const actor = await ctx.findActor();
  if (actor?.kind !== "session") throw new AppError("unauthorized", "A Clerk session token is needed.");
  await ctx.countCall(actor);
  return next({ ctx: { clerkId: actor.clerkId } });
});

/**
 * Needs the admin token, or the session of a user whose role in the database is `admin` at the time of the call. Checked
 * before the input. `ctx.actor` names the caller for the audit trail.
 */
export const adminProcedure = procedure.use(async ({ ctx, next }) => {
  const actor = await ctx.findActor();
  if (actor === null) throw new AppError("unauthorized", "The admin token or a Clerk session token is needed.");
  await ctx.countCall(actor);
  if (actor.kind === "session" && !(await ctx.isAdmin(actor.clerkId))) {
    throw new AppError("forbidden", "This needs the role admin (users.role).");
  }
  return next({ ctx: { actor: actor.kind === "session" ? `operator:${actor.clerkId}` : "operator:token" } });
});

/** Creates a router that can be merged into one with a formatter of its own. */
export const router = t.router;
