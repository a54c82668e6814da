import { DrizzleQueryError } from "drizzle-orm";
import postgres from "postgres";
import { neverSentCode } from "./watchSocket.ts";

const { PostgresError } = postgres;
type PostgresError = InstanceType<typeof PostgresError>;

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

/** Whether the same call may succeed a moment later: the database is away, asleep, overloaded or out of time. */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  if (/^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code)) {
    // 08: connection exceptions (PgBouncer's own refusals too); 53: insufficient resources; 58: system errors
    return transientStates.has(code) || /^(?:08|53|58)/.test(code);
  }
  return /^(?:E[A-Z_]{3,}|CONNECT\w*|ERR_\w+|\w*CERT\w*|DEPTH_ZERO\w*|UNABLE_TO\w*|CONNECTION_\w+)$/.test(code);
}

/** Whether the statement's connection had ended before any of it was sent: it can be said again at once. */
export function isNeverSent(error: unknown): boolean {
  return codeOf(error) === neverSentCode;
}

/** Whether the server is there and will take connections soon (cannot_connect_now). */
export function isStartingUp(error: unknown): boolean {
  return codeOf(error) === "57P03";
}

/** Whether the data of the call, not the database, is to blame: data exceptions, constraints, limits, our own raises. */
export function isRowAtFault(error: unknown): boolean {
  return /^(?:22|23|54)\w{3}$|^P0001$/.test(codeOf(error));
}
