import { AppError, type ErrorCode, errorTexts } from "../errors.ts";

/** The HTTP status of every error code; a new code does not compile until it is mapped. */
const httpStatusOf: Readonly<Record<ErrorCode, number>> = {
  missing_headers: 400,
  invalid_signature: 400,
  timestamp_out_of_tolerance: 400,
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  conflict: 409,
  precondition_failed: 412,
  payload_too_large: 413,
  invalid_event: 422,
  too_many_requests: 429,
  internal: 500,
  unavailable: 503,
  refused: 503,
  clerk_unavailable: 503,
};

/** Enough time for a database to wake up, and short compared with Svix's schedule. */
const defaultRetryAfterSeconds = 5;

/** `{"error":{"code","message"}}` with the status of the code. Anything but an AppError is `internal`, without its text. */
export function toErrorResponse(error: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const known = error instanceof AppError ? error : new AppError("internal", errorTexts.internal);
  const status = httpStatusOf[known.code];
  const retryAfter =
    known.retryAfterSeconds ?? (status === 503 || status === 429 ? defaultRetryAfterSeconds : undefined);
  return Response.json(
    { error: { code: known.code, message: known.message } },
    {
      status,
      headers: { ...(retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }), ...headers },
    },
  );
}
