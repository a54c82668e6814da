import { expect, test } from "bun:test";
import { closeSync, constants, openSync } from "node:fs";
import pino from "pino";
import { createJsonLog, withSafeErrors, type Log, type LogLevel } from "../../src/log.ts";
import { writeWhole } from "../../src/logWriter.ts";
import { openForTest } from "../support/toClose.ts";
import { openUnreadPipe } from "../support/unreadPipe.ts";

type Lines = Record<string, unknown>[];

function collect(create: (write: (line: string) => void) => Log): { log: Log; lines: Lines } {
  const lines: Lines = [];
  const write = (line: string) => {
    expect(line.endsWith("}\n")).toBe(true);
    lines.push(JSON.parse(line) as Record<string, unknown>);
  };
  return { log: create(write), lines };
}

const createOurs = (level: LogLevel) => collect((write) => createJsonLog(level, write));
/** pino as a host may have it, with our form of errors. */
const createPino = (level: LogLevel) =>
  collect((write) => withSafeErrors(pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write })));

test.each<LogLevel>(["trace", "info", "warn", "silent"])(
  "at level %s the lines are those that pino writes",
  (level) => {
    const [ours, theirs] = [createOurs(level), createPino(level)];
    const error = new TypeError("broken", { cause: new Error("deeper") });
    for (const { log } of [ours, theirs]) {
      for (const name of ["trace", "debug", "info", "warn", "error"] as const) {
        log[name](`only ${name}`);
        log[name](
          { clerkId: "user_1", none: undefined, nothing: null, count: 3, isOpen: false },
          'with "fields"\u0000\ud800',
        );
      }
      log
        .child({ runId: 7 })
        .child({ kind: "backfill" })
        .info({ seen: 1, list: ["a"] }, "of a run");
      log.error({ err: error }, "failed");
      log.error({ error, requestId: undefined }, "failed in another way");
    }
    const withoutTime = (lines: Lines) =>
      lines.map(({ time, ...line }) => ({ ...line, isIso: typeof time === "string" && time.length === 24 }));
    expect(withoutTime(ours.lines)).toEqual(withoutTime(theirs.lines));
    expect(ours.lines.map((line) => Object.keys(line))).toEqual(theirs.lines.map((line) => Object.keys(line)));
    expect(ours.lines.length > 0).toBe(level !== "silent");
  },
);

test("a value that JSON has no form of fails no line", () => {
  const { log, lines } = createOurs("info");
  const circle: Record<string, unknown> = { count: 2n ** 64n };
  circle["self"] = circle;
  log.info({ circle, clerkId: "user_1" }, "odd");
  expect(lines).toMatchObject([
    { circle: { count: "18446744073709551616", self: "[Repeated]" }, clerkId: "user_1", msg: "odd" },
  ]);
});

test("a command's line waits for a pipe that is full", async () => {
  const pipe = await openForTest(openUnreadPipe(constants.O_NONBLOCK));
  const text = `${"x".repeat(200_000)}\n`;
  // A process of its own reads, for the write holds up this one.
  const reader = Bun.spawn(["sh", "-c", `sleep 0.1; exec head -c ${text.length} /proc/${process.pid}/fd/${pipe.fd}`]);
  writeWhole(pipe.fd, text);
  expect(await reader.stdout.text()).toBe(text);
  expect(await reader.exited).toBe(0);
});

test("a command's line that nothing reads any more is dropped", () => {
  const pipe = openUnreadPipe();
  const fd = openSync(`/proc/self/fd/${pipe.fd}`, "w");
  pipe.close();
  expect(() => writeWhole(fd, "last\n")).not.toThrow();
  closeSync(fd);
});
