import { styleText } from "node:util";
import { noWebhookYet } from "../domain/alarm.ts";
import { isObject } from "../domain/json.ts";
import type { SyncStatus } from "../service/statusService.ts";

/** How a command answers: text for people, or one JSON document. */
export interface Output {
  readonly json: boolean;
  /** The answer of the command, in the shape of the tRPC answer. `lines` is the same for people. */
  readonly answer: (value: unknown, lines: readonly string[]) => void;
}

/** Writes to standard output. `json`: each answer is one line of JSON. */
export function createOutput(json: boolean): Output {
  return {
    json,
    answer: (value, lines) => {
      process.stdout.write(json ? `${JSON.stringify(value)}\n` : lines.map((line) => `${line}\n`).join(""));
    },
  };
}

/** An object as lines of `name  value`; nested objects are indented. */
export function toLines(value: object, indent = ""): string[] {
  const width = Math.max(...Object.keys(value).map((key) => key.length));
  return Object.entries(value).flatMap(([key, inner]) =>
    isObject(inner)
      ? [`${indent}${key}`, ...toLines(inner, `${indent}  `)]
      : [`${indent}${key.padEnd(width)}  ${toText(inner)}`],
  );
}

function toText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  // Names and addresses are untrusted: control characters, which could steer the terminal, become question marks.
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "?");
}

/** One line of `doctor`. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warning" | "failure";
  /** What was found, and what to do about it. Never a secret. */
  readonly message: string;
}

const toCheck = (status: Check["status"]) => (name: string, message: string) => ({ name, status, message });

/** A check that passed. */
export const ok = toCheck("ok");
/** Something works, but not for long or not as meant; does not change the exit code. */
export const warning = toCheck("warning");
/** Something does not work; `doctor` exits 1. */
export const failure = toCheck("failure");

const marks = { ok: ["green", "ok     "], warning: ["yellow", "warning"], failure: ["red", "failure"] } as const;

/** Colour only where it is shown: `styleText` looks at the stream and at NO_COLOR. */
export function toCheckLine({ name, status, message }: Check): string {
  const [colour, text] = marks[status];
  return `${styleText(colour, text, { stream: process.stdout })}  ${name}: ${message}`;
}

const severities = { critical: ["red", "critical"], warning: ["yellow", "warning "] } as const;

/** A line for each alarm, or one that says that there is none. */
export function toAlarmLines({ alarms, lastEventAt }: Pick<SyncStatus, "alarms" | "lastEventAt">): string[] {
  if (alarms.length === 0) return [lastEventAt === null ? `No alarms. ${noWebhookYet}` : "No alarms."];
  return alarms.map(({ code, severity, since, text }) => {
    const [colour, name] = severities[severity];
    return `${styleText(colour, name, { stream: process.stdout })}  ${code}: ${toText(text)}${since === null ? "" : ` (since ${since})`}`;
  });
}
