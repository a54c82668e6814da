/** Codes of all errors, as clients see them. */
export type ErrorCode =
  | "missing_headers"
  | "invalid_signature"
  | "timestamp_out_of_tolerance"
  | "payload_too_large"
  | "invalid_event"
  | "request_timeout"
  | "unavailable"
  | "refused"
  | "bad_request"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "conflict"
  | "precondition_failed"
  | "too_many_requests"
  | "clerk_unavailable"
  | "internal";

/** Texts for clients that are used in more than one place. */
export const errorTexts = {
  internal: "Internal error; the server's log has the cause.",
  databaseAway: "The database cannot be reached.",
  databaseTimeout: "The database did not answer in time.",
  unknownUser: "Neither Clerk nor the database knows this user.",
} as const;

/**
 * A failure with a text that may be shown to any client (`message`) and a `cause` that only the log sees.
 * `retryAfterSeconds` is set where waiting helps.
 */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryAfterSeconds?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}
