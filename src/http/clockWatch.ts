import { timingSafeEqual } from "node:crypto";
import type { SignatureHeaders } from "../clerk/bodyVerifier.ts";
import { createSvixWebhook } from "../clerk/svixWebhook.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";

/** Deliveries refused in a row, and the time from the first to the last, before the clock is blamed. */
const refusalsMin = 5;
const episodeMsMin = 5_000;
/** How many deliveries, the newest, the median offset is taken of. */
const refusalsMax = 50;
/** Each check reads and hashes a body; the limit bounds what made-up timestamps cost. */
const checksPerSecondMax = 5;

/** Detects a wrong clock here: deliveries with a right signature are refused for their timestamp. */
export interface ClockWatch {
  /** Of a delivery refused for its timestamp. `readBytes` is called a few times a second at most; null: no body came. */
  readonly onRefused: (headers: SignatureHeaders, readBytes: () => Promise<Uint8Array | null>) => Promise<void>;
  /** Of a delivery whose signature and timestamp are right. */
  readonly onAccepted: () => void;
  /** By how many seconds the senders' clocks are ahead of this one; null without a sign of a wrong clock. */
  readonly findOffsetSeconds: () => number | null;
}

/** Warns once per episode, in the log. */
export function createClockWatch(deps: { secrets: readonly string[]; log: Log; clock: Clock }): ClockWatch {
  const { log, clock } = deps;
  const webhooks = deps.secrets.map(createSvixWebhook);
  /** By svix-id and timestamp: a recorded delivery that is replayed counts once. */
  let refusals = new Map<string, { readonly atMs: number; readonly offsetSeconds: number }>();
  let hasWarned = false;
  let second = 0;
  let checks = 0;

  function mayCheck(): boolean {
    const current = Math.floor(clock.monotonicMs() / 1000);
    checks = current === second ? checks + 1 : 1;
    second = current;
    return checks <= checksPerSecondMax;
  }

  /** Compares the signature itself, because svix' `verify` refuses the timestamp first. */
  function isSigned({ svixId, timestamp, signature }: SignatureHeaders, bytes: Uint8Array): boolean {
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    const at = new Date(Number(timestamp) * 1000);
    if (Number.isNaN(at.getTime())) return false;
    const expected = webhooks.map((webhook) => Buffer.from(webhook.sign(svixId, at, text)));
    const given = signature.split(" ").map((one) => Buffer.from(one));
    return expected.some((right) => given.some((one) => one.length === right.length && timingSafeEqual(one, right)));
  }

  function findOffsetSeconds(): number | null {
    const all = [...refusals.values()];
    const [first, last] = [all[0], all.at(-1)];
    if (!first || !last || all.length < refusalsMin || last.atMs - first.atMs < episodeMsMin) return null;
    const offsets = all.map(({ offsetSeconds }) => offsetSeconds).sort((a, b) => a - b);
    return offsets[Math.floor(offsets.length / 2)] ?? null;
  }

  return {
    onRefused: async (headers, readBytes) => {
      if (!mayCheck()) return;
      const offsetSeconds = Number(headers.timestamp) - Math.floor(clock.nowMs() / 1000);
      const bytes = await readBytes();
      if (bytes === null || !isSigned(headers, bytes)) return;
      const key = `${headers.timestamp} ${headers.svixId}`;
      if (!refusals.has(key)) refusals.set(key, { atMs: clock.monotonicMs(), offsetSeconds });
      // The first is kept: it says since when.
      const [, oldest] = refusals.keys();
      if (refusals.size > refusalsMax && oldest !== undefined) refusals.delete(oldest);
      const offset = findOffsetSeconds();
      if (offset === null || hasWarned) return;
      hasWarned = true;
      log.warn({ offsetSeconds: offset }, `[Webhook] ${toClockWarning(offset)}`);
    },
    onAccepted: () => {
      if (refusals.size === 0) return;
      refusals = new Map();
      hasWarned = false;
    },
    findOffsetSeconds,
  };
}

/** Text for log, `/readyz` and alarms. @param offsetSeconds by how much the senders are ahead of this server */
export function toClockWarning(offsetSeconds: number): string {
  const direction = offsetSeconds > 0 ? "slow" : "fast";
  return `The server's clock is off by about ${Math.abs(offsetSeconds)} s (${direction}): signed deliveries are rejected for their timestamp`;
}
