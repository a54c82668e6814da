import { DrizzleQueryError } from "drizzle-orm/errors";
import postgres from "postgres";
import { StartUpError } from "./startUp.ts";
import { neverSentCode } from "./watchSocket.ts";

const { PostgresError } = postgres;
/** An error response of Postgres, as postgres.js throws it. */
export type PostgresError = InstanceType<typeof PostgresError>;

/** SQLSTATE, or the error code of the socket or of postgres.js; unwraps drizzle's error. */
function codeOf(error: unknown): string {
  if (error instanceof DrizzleQueryError) return codeOf(error.cause);
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

const transientStates = new Set([
  // serialization_failure, deadlock_detected, lock_not_available, query_canceled
  "40001",
  "40P01",
  "55P03",
  "57014",
  // admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped while a compute is replaced
  "57P01",
  "57P02",
  "57P03",
  // read_only_sql_transaction: a primary that has just been demoted
  "25006",
  // invalid_sql_statement_name, duplicate_prepared_statement: a pooler gave the statement to another server connection
  "26000",
  "42P05",
]);

/** Whether the error is an error response of Postgres. */
export function isPostgresError(error: unknown): error is PostgresError {
  return error instanceof PostgresError;
}

/** The error response of Postgres, unwrapped from drizzle's error; undefined if the error is something else. */
export function findPostgresError(error: unknown): PostgresError | undefined {
  const inner = error instanceof DrizzleQueryError ? error.cause : error;
  return isPostgresError(inner) ? inner : undefined;
}

/** The `StartUpError`, unwrapped from drizzle's error; undefined if the error is something else. */
export function findStartUpError(error: unknown): StartUpError | undefined {
  const inner = error instanceof DrizzleQueryError ? error.cause : error;
  return inner instanceof StartUpError ? inner : undefined;
}

/** Whether a retry may succeed: the database is unreachable, suspended, overloaded or too slow. */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  // A server that accepts no connection is away for the caller, whatever its reason, such as a changed password.
  if (findStartUpError(error)) return true;
  const answer = findPostgresError(error);
  if (answer) {
    if (isRaisedByTrigger(answer)) return false;
    // 08: connection exceptions (PgBouncer's own refusals too); 53: insufficient resources; 58: system errors
    return transientStates.has(code) || /^(?:08|53|58)/.test(code);
  }
  return /^(?:E[A-Z_]{3,}|CONNECT\w*|ERR_\w+|\w*CERT\w*|DEPTH_ZERO\w*|UNABLE_TO\w*|CONNECTION_\w+)$/.test(code);
}

/** Whether the connection's session can write nothing, which a new connection may be able to. */
export function isReadOnlySession(error: unknown): boolean {
  return codeOf(error) === "25006" && isTransient(error);
}

/** Whether the connection had ended before any of the statement was sent, so that an immediate retry is safe. */
export function isNeverSent(error: unknown): boolean {
  return codeOf(error) === neverSentCode;
}

/**
 * Whether the server is starting up: cannot_connect_now, or XX000 during start-up, which Neon's proxy sends for every
 * error of its own (neondatabase/neon, `proxy/src/stream.rs`). XX000 in answer to a statement is an internal error of
 * Postgres.
 */
export function isStartingUp(error: unknown): boolean {
  const code = findStartUpError(error)?.code;
  return code === "57P03" || code === "XX000";
}

/** Whether a pooler passed a prepared statement to a server connection that does not have it, or has it already. */
export function isStatementLost(error: unknown): boolean {
  const code = codeOf(error);
  return code === "26000" || code === "42P05";
}

/** Whether the error shows a pooler in transaction mode although `Dsn.pooled` is false. */
export function isUnmarkedPooler(error: unknown): boolean {
  if (codeOf(error) === "08P01") return /unsupported startup parameter/i.test((error as Error).message);
  return isStatementLost(error);
}

/**
 * Whether a rule of the database (constraint, trigger, type, right) refused the write. Such an error is about one row,
 * and the same write may succeed later. An error inside this program's functions has a call stack (`where`); one of the
 * call itself, such as a missing function, has none. A deferred constraint is recognised by its SQLSTATE class at the
 * commit. Errors of connections, locks and resources are not refusals.
 */
export function isRefusal(error: unknown): boolean {
  const refusal = findPostgresError(error);
  if (!refusal || isTransient(refusal) || isBusy(refusal)) return false;
  return refusal.where !== undefined || /^2[23]/.test(refusal.code);
}

/** Whether one change of the batch cannot be applied now: it needs a locked row or is slow. It is unknown which change. */
export function isBusy(error: unknown): boolean {
  return codeOf(error) === "LOCKD" || isSlow(error);
}

/** Whether the batch was cancelled because others waited for it. */
export function isSlow(error: unknown): boolean {
  return codeOf(error) === "SLOWD";
}

/** Whether a unique index or exclusion constraint refused the write, because another row has the value. */
export function isUniqueViolation(error: unknown): boolean {
  const refusal = findPostgresError(error);
  return refusal !== undefined && (refusal.code === "23505" || refusal.code === "23P01");
}

/** Whether a function of the team raised the error with RAISE; its SQLSTATE then says nothing about the database. */
function isRaisedByTrigger(error: PostgresError): boolean {
  const [innermost = ""] = (error.where ?? "").split("\n");
  return innermost.endsWith(" at RAISE") && !innermost.includes(" clerk_sync_");
}
