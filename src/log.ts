import { createLogWriter } from "./logWriter.ts";
import pino, { type DestinationStream, type Logger } from "pino";

export type Log = Logger;

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
export type LogFormat = "pretty" | "json";

/**
 * The process's logger. Only ids go into it: never names, addresses, payloads or secrets.
 * Writes are synchronous, so the last line before a crash is not lost; JSON lines of a server (`isBuffered`) are written
 * asynchronously instead, so that a log that is full or not read delays no answer. `log.flush` writes what is left.
 */
export async function createLog(options: {
  level: LogLevel;
  format: LogFormat;
  destination?: 1 | 2;
  isBuffered?: boolean;
}): Promise<Log> {
  const fd = options.destination ?? 1;
  const openJson = () => (options.isBuffered ? createLogWriter(fd) : pino.destination({ fd, sync: true }));
  const stream = options.format === "pretty" ? await openPretty(fd) : openJson();
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: toLoggedError, error: toLoggedError },
    },
    stream,
  );
}

/** Loaded here alone: a server in production writes JSON and need not wait for it. */
async function openPretty(fd: number): Promise<DestinationStream> {
  const { PinoPretty } = await import("pino-pretty");
  return PinoPretty({
    colorize: process.stdout.isTTY,
    ignore: "pid,hostname",
    // A delivery is two lines and not ten.
    singleLine: true,
    translateTime: "SYS:HH:MM:ss.l",
    sync: true,
    destination: fd,
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
