import { CommanderError } from "commander";
import { ConfigError } from "../config.ts";
import { AppError } from "../errors.ts";
import { findPostgresError, findStartUpError, isStartingUp } from "../store/connection/pgErrors.ts";
import { findDatabaseAdvice } from "./findDatabaseAdvice.ts";

/** The text of an error that the operator can act on; undefined for an unexpected error. */
export function toFailure(error: unknown): { code: string; message: string } | undefined {
  if (error instanceof CommanderError) {
    const isHelp = error.code === "commander.help";
    return { code: "bad_request", message: isHelp ? "A command is missing." : error.message.replace(/^error: /, "") };
  }
  if (error instanceof ConfigError) return { code: "bad_configuration", message: error.message };
  const advice = findDatabaseAdvice(error);
  // A server that refuses the log-in gives the reason; one that is starting up only asks for a retry.
  const refused = error instanceof AppError ? findStartUpError(error.cause) : findStartUpError(error);
  if (!(error instanceof AppError) || (refused && !isStartingUp(refused))) {
    if (advice !== undefined) return { code: "precondition_failed", message: `Database: ${advice}.` };
    const refusal = findPostgresError(error) ?? refused;
    // Leaves out Postgres' detail, which may quote a row.
    return refusal && { code: "internal", message: `Postgres says: ${refusal.message} (${refusal.code}).` };
  }
  const { code, message } = error;
  return { code, message: code === "unavailable" && advice !== undefined ? `${message} Perhaps ${advice}.` : message };
}
