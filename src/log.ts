import pino, { type BaseLogger, type ChildLoggerOptions } from "pino";
import { createLogWriter } from "./logWriter.ts";

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
export type LogFormat = "pretty" | "json";

/**
 * The program's logger; a pino logger is one. The program logs only ids: never names, addresses, payloads or secrets.
 */
export interface Log extends Pick<BaseLogger, "trace" | "debug" | "info" | "warn" | "error"> {
  readonly child: (fields: Record<string, unknown>, options?: Pick<ChildLoggerOptions, "serializers">) => Log;
}

/** A logger of a command. Writes are synchronous, so that the last line before a crash is not lost. */
export async function createLog(options: { level: LogLevel; format: LogFormat; destination?: 1 | 2 }): Promise<Log> {
  const { level, format, destination: fd = 1 } = options;
  const toText = await loadFormat(format);
  const destination = pino.destination({ fd, sync: true });
  return createJsonLog(level, (line) => destination.write(toText(line)));
}

/**
 * A server's logger, which writes to standard output asynchronously, so that a log that is full or not read delays no
 * answer. `flush` writes what is left.
 */
export async function createServerLog(options: { level: LogLevel; format: LogFormat }): Promise<{
  log: Log;
  droppedLines: () => number;
  flush: (done: () => void) => void;
}> {
  const { write, droppedLines, flush } = createLogWriter(1, await loadFormat(options.format));
  return { log: createJsonLog(options.level, write), droppedLines, flush };
}

/** @param write takes one whole line */
export function createJsonLog(level: LogLevel, write: (line: string) => void): Log {
  return pino({ level, base: null, timestamp: toTimeMember, serializers: errorSerializers }, { write });
}

let lastMs = 0;
let lastMember = "";

/** The time as the part of a line (ISO 8601), formatted once per millisecond. */
function toTimeMember(): string {
  const nowMs = Date.now();
  if (nowMs !== lastMs) {
    lastMs = nowMs;
    lastMember = `,"time":"${new Date(nowMs).toISOString()}"`;
  }
  return lastMember;
}

/** Loads the pretty format only if it is used: a server in production writes JSON. */
async function loadFormat(format: LogFormat): Promise<(line: string) => string> {
  if (format === "json") return (line) => line;
  const { prettyFactory } = await import("pino-pretty");
  return prettyFactory({
    colorize: process.stdout.isTTY,
    ignore: "pid,hostname",
    // Otherwise the two lines of a delivery would be ten.
    singleLine: true,
    translateTime: "SYS:HH:MM:ss.l",
  });
}

/** Gives a logger that was created elsewhere this program's form of errors, which quotes no row. */
export function withSafeErrors(log: Log): Log {
  return log.child({}, { serializers: errorSerializers });
}

const errorSerializers = {
  err: (error: unknown) => toLoggedError(error),
  error: (error: unknown) => toLoggedError(error),
};

const causesMax = 8;
/** Fields of a Postgres error that show its origin and contain no value. */
const postgresNames = ["code", "severity", "schema_name", "table_name", "column_name", "constraint_name", "routine"];

/** An error as it is logged, each cause apart. */
function toLoggedError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error) || depth > causesMax) return error instanceof Error ? error.name : error;
  const fields: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(error));
  const type = error.constructor.name;
  if ("severity" in fields) return toLoggedPostgresError(error, fields);
  const cause = error.cause === undefined ? {} : { cause: toLoggedError(error.cause, depth + 1) };
  // An error of drizzle, whose message contains the statement's values.
  if ("params" in fields) return { type, query: fields["query"], ...cause };
  const others = Object.entries(fields).map(([name, value]) => [name, toLoggedError(value, depth + 1)]);
  const aggregate =
    error instanceof AggregateError ? { errors: error.errors.map((one) => toLoggedError(one, depth + 1)) } : {};
  return { type, message: error.message, stack: error.stack, ...Object.fromEntries(others), ...cause, ...aggregate };
}

/**
 * Names and SQLSTATE only, if a rule of the database (a trigger, a constraint, a type) may have raised the error: its
 * message may quote a row. Such errors have a call stack (`where`) or one of these classes.
 */
function toLoggedPostgresError({ message }: Error, fields: Readonly<Record<string, unknown>>): object {
  const isOfRule = "where" in fields || /^(?:2[23]|44|P0)/.test(String(fields["code"]));
  const names = Object.fromEntries(postgresNames.map((name) => [name, fields[name]]));
  return { type: "PostgresError", ...(isOfRule ? {} : { message }), ...names };
}

/** A logger that says nothing, for tests and for library users who bring none. */
export const silentLog: Log = pino({ level: "silent" });
