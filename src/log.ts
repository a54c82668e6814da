import { createLogWriter, writeWhole } from "./logWriter.ts";

/** As pino has them: what reads its lines reads these. */
const levelNumbers = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60, silent: Infinity } as const;

export type LogLevel = keyof typeof levelNumbers;
export type LogFormat = "pretty" | "json";

type LogFields = Readonly<Record<string, unknown>>;

interface LogMethod {
  (text: string): void;
  (fields: LogFields, text: string): void;
}

/**
 * Where the program's lines go; a pino logger is one. Only ids go into it: never names, addresses, payloads or secrets.
 */
export interface Log {
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  /**
   * The same with more fields in each line.
   * @param options.serializers by field: what is logged for its value
   */
  readonly child: (fields: LogFields, options?: { serializers: Record<string, (value: unknown) => unknown> }) => Log;
}

/** A logger of a command. Writes are synchronous, so that the last line before a crash is not lost. */
export async function createLog(options: { level: LogLevel; format: LogFormat; destination?: 1 | 2 }): Promise<Log> {
  const { level, format, destination = 1 } = options;
  const toText = await loadFormat(format);
  return createJsonLog(level, (line) => writeWhole(destination, toText(line)));
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

/**
 * Writes lines as pino does: level, time, fields and `msg` as JSON. pino itself takes three times as long for a line, and
 * 15 ms to be loaded.
 * @param write takes one whole line
 */
export function createJsonLog(level: LogLevel, write: (line: string) => void): Log {
  return createMethods(level, write, "");
}

/** @param bound fields of each line, as `toMembers` has them */
function createMethods(level: LogLevel, write: (line: string) => void, bound: string): Log {
  const method = (name: LogLevel): LogMethod => {
    const number = levelNumbers[name];
    if (number < levelNumbers[level]) return () => undefined;
    return (first: LogFields | string, text?: string) => {
      const [fields, msg] = typeof first === "string" ? ["", first] : [toMembers(first), text];
      write(`{"level":${number},"time":"${readTime()}"${bound}${fields},"msg":${JSON.stringify(msg)}}\n`);
    };
  };
  return {
    trace: method("trace"),
    debug: method("debug"),
    info: method("info"),
    warn: method("warn"),
    error: method("error"),
    // It has the one serializer that is ever asked for.
    child: (fields) => createMethods(level, write, `${bound}${toMembers(fields)}`),
  };
}

let readMs = 0;
let readText = "";

/** The time as ISO 8601, made once a millisecond. */
function readTime(): string {
  const nowMs = Date.now();
  if (nowMs !== readMs) {
    readMs = nowMs;
    readText = new Date(nowMs).toISOString();
  }
  return readText;
}

/** Fields as they stand in an object of JSON, each after a comma. */
function toMembers(fields: LogFields): string {
  const { err, error } = fields;
  const hasError = err !== undefined || error !== undefined;
  const members = toJson(hasError ? { ...fields, err: toLoggedError(err), error: toLoggedError(error) } : fields);
  return members === "{}" ? "" : `,${members.slice(1, -1)}`;
}

function toJson(fields: LogFields): string {
  try {
    return JSON.stringify(fields);
  } catch {
    // A line never fails the work that it is about.
    return JSON.stringify(fields, createReplacer());
  }
}

/** For what JSON has no form of: numbers beyond its own, and what refers to itself. */
function createReplacer(): (name: string, value: unknown) => unknown {
  const seen = new WeakSet<object>();
  return (_, value) => {
    if (typeof value === "bigint") return String(value);
    if (typeof value !== "object" || value === null) return value;
    if (seen.has(value)) return "[Repeated]";
    seen.add(value);
    return value;
  };
}

/** Loaded here alone: a server in production writes JSON and need not wait for it. */
async function loadFormat(format: LogFormat): Promise<(line: string) => string> {
  if (format === "json") return (line) => line;
  const { prettyFactory } = await import("pino-pretty");
  return prettyFactory({
    colorize: process.stdout.isTTY,
    ignore: "pid,hostname",
    // A delivery is two lines and not ten.
    singleLine: true,
    translateTime: "SYS:HH:MM:ss.l",
  });
}

/** The logger with our form of errors, which quotes no row: for one that was made elsewhere. */
export function withSafeErrors(log: Log): Log {
  return log.child({}, { serializers: errorSerializers });
}

const errorSerializers = {
  err: (error: unknown) => toLoggedError(error),
  error: (error: unknown) => toLoggedError(error),
};

const causesMax = 8;
/** Of an error of Postgres: what tells where it comes from, without a value. */
const postgresNames = ["code", "severity", "schema_name", "table_name", "column_name", "constraint_name", "routine"];

/** An error as it is logged, each cause apart. */
function toLoggedError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error) || depth > causesMax) return error instanceof Error ? error.name : error;
  const fields: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(error));
  const type = error.constructor.name;
  if ("severity" in fields) return toLoggedPostgresError(error, fields);
  const cause = error.cause === undefined ? {} : { cause: toLoggedError(error.cause, depth + 1) };
  // drizzle's own, whose text has the statement's values.
  if ("params" in fields) return { type, query: fields["query"], ...cause };
  const others = Object.entries(fields).map(([name, value]) => [name, toLoggedError(value, depth + 1)]);
  const aggregate =
    error instanceof AggregateError ? { errors: error.errors.map((one) => toLoggedError(one, depth + 1)) } : {};
  return { type, message: error.message, stack: error.stack, ...Object.fromEntries(others), ...cause, ...aggregate };
}

/**
 * Names and SQLSTATE alone where a rule of the database may have said it (a trigger, a constraint, a type): such a text
 * may quote a row. Those errors have a call stack (`where`) or one of these classes; the rest are about the database.
 */
function toLoggedPostgresError({ message }: Error, fields: Readonly<Record<string, unknown>>): object {
  const isOfRule = "where" in fields || /^(?:2[23]|44|P0)/.test(String(fields["code"]));
  const names = Object.fromEntries(postgresNames.map((name) => [name, fields[name]]));
  return { type: "PostgresError", ...(isOfRule ? {} : { message }), ...names };
}

/** A logger that says nothing, for tests and for library users who bring none. */
export const silentLog: Log = createJsonLog("silent", () => undefined);
