import { createLogWriter } from "./logWriter.ts";
import pino, { type DestinationStream, type Logger } from "pino";

export type Log = Logger;

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
export type LogFormat = "pretty" | "json";

/**
 * A logger of a command. Only ids go into it: never names, addresses, payloads or secrets.
 * Writes are synchronous, so that the last line before a crash is not lost.
 */
export async function createLog(options: { level: LogLevel; format: LogFormat; destination?: 1 | 2 }): Promise<Log> {
  const destination = pino.destination({ fd: options.destination ?? 1, sync: true });
  const toText = await loadFormat(options.format);
  return createPino(options.level, { write: (line) => destination.write(toText(line)) });
}

/**
 * A server's logger, which writes to standard output asynchronously, so that a log that is full or not read delays no
 * answer. `log.flush` writes what is left.
 */
export async function createServerLog(options: {
  level: LogLevel;
  format: LogFormat;
}): Promise<{ log: Log; droppedLines: () => number }> {
  const writer = createLogWriter(1, await loadFormat(options.format));
  return { log: createPino(options.level, writer), droppedLines: writer.droppedLines };
}

function createPino(level: LogLevel, stream: DestinationStream): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: toLoggedError, error: toLoggedError },
    },
    stream,
  );
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

/** Postgres puts whole rows into these fields of its errors. */
const fieldsWithData: ReadonlySet<string> = new Set(["detail", "where", "hint", "internal_query"]);

function toLoggedError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const fields = Object.entries(pino.stdSerializers.err(error));
  return Object.fromEntries(fields.filter(([name]) => !fieldsWithData.has(name)));
}

/** A logger that says nothing, for tests and for library users who bring none. */
export const silentLog: Log = pino({ level: "silent" });
