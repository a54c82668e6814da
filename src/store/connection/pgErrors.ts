import { DrizzleQueryError } from "drizzle-orm/errors";
import postgres from "postgres";
import { StartUpError } from "./startUp.ts";
import { neverSentCode } from "./watchSocket.ts";

const { PostgresError } = postgres;
export type PostgresError = InstanceType<typeof PostgresError>;

/** SQLSTATE, or the code of a socket or of postgres.js; drizzle puts an error of its own around theirs. */
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

/** An answer of Postgres itself, with its SQLSTATE. */
export function isPostgresError(error: unknown): error is PostgresError {
  return error instanceof PostgresError;
}

/** The same inside the error that drizzle puts around it; undefined if it is none. */
export function findPostgresError(error: unknown): PostgresError | undefined {
  const inner = error instanceof DrizzleQueryError ? error.cause : error;
  return isPostgresError(inner) ? inner : undefined;
}

/** What was said instead of taking a connection, also inside drizzle's error; undefined if it is none. */
export function findStartUpError(error: unknown): StartUpError | undefined {
  const inner = error instanceof DrizzleQueryError ? error.cause : error;
  return inner instanceof StartUpError ? inner : undefined;
}

/** Whether the same call may succeed a moment later: the database is away, asleep, overloaded or out of time. */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  const answer = findPostgresError(error);
  if (answer && isRaisedByTrigger(answer)) return false;
  if (answer || findStartUpError(error)) {
    // 08: connection exceptions (PgBouncer's own refusals too); 53: insufficient resources; 58: system errors
    return transientStates.has(code) || /^(?:08|53|58)/.test(code) || isStartingUp(error);
  }
  return /^(?:E[A-Z_]{3,}|CONNECT\w*|ERR_\w+|\w*CERT\w*|DEPTH_ZERO\w*|UNABLE_TO\w*|CONNECTION_\w+)$/.test(code);
}

/** Whether the statement's connection had ended before any of it was sent: it can be said again at once. */
export function isNeverSent(error: unknown): boolean {
  return codeOf(error) === neverSentCode;
}

/**
 * Whether the server is there and may take connections soon: cannot_connect_now, or Neon's proxy, which says XX000 for
 * every error of its own (neondatabase/neon, `proxy/src/stream.rs`). XX000 in answer to a statement is Postgres' internal
 * error and not meant here.
 */
export function isStartingUp(error: unknown): boolean {
  const code = findStartUpError(error)?.code;
  return code === "57P03" || code === "XX000";
}

/** Whether a pooler stands before the database that the URL does not name as one (see `Dsn.pooled`). */
export function isUnmarkedPooler(error: unknown): boolean {
  const code = codeOf(error);
  if (code === "08P01") return /unsupported startup parameter/i.test((error as Error).message);
  return code === "26000" || code === "42P05";
}

/**
 * Whether a rule of the database that is not this program's refused the write: a constraint, a trigger, a type, a right.
 * It is then about one row of the call, and the same write may succeed later. Judged by who raised it: an error of a
 * function of ours has a call stack, one of the call itself (functions that are not there) has none; what a deferred
 * constraint refuses at the commit has its class. Connections, locks and resources are the database's own trouble.
 */
export function isRefusal(error: unknown): boolean {
  const refusal = findPostgresError(error);
  if (!refusal || isTransient(refusal) || isLocked(refusal)) return false;
  return refusal.where !== undefined || /^2[23]/.test(refusal.code);
}

/** Whether one change of the call needs what another transaction holds, and the functions could not tell which. */
export function isLocked(error: unknown): boolean {
  return codeOf(error) === "LOCKD";
}

/** Whether a unique value that another row has refused the write. */
export function isUniqueViolation(error: unknown): boolean {
  const refusal = findPostgresError(error);
  return refusal !== undefined && (refusal.code === "23505" || refusal.code === "23P01");
}

/** Whether a function of the team's raised the error on purpose; its SQLSTATE then says nothing about the database. */
function isRaisedByTrigger(error: PostgresError): boolean {
  const [innermost = ""] = (error.where ?? "").split("\n");
  return innermost.endsWith(" at RAISE") && !innermost.includes(" clerk_sync_");
}
