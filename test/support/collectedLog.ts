import pino from "pino";
import type { Log } from "../../src/log.ts";

/** A logger whose lines are kept, parsed. */
export function createCollectedLog(): { log: Log; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = pino(
    { level: "trace", base: null },
    { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  return { log, lines };
}
