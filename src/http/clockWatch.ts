import { timingSafeEqual } from "node:crypto";
import type { SignatureHeaders } from "../clerk/bodyVerifier.ts";
import { createSvixWebhook } from "../clerk/svixWebhook.ts";
import type { Clock } from "../clock.ts";
import { toClockText } from "../domain/alarm.ts";
import type { Log } from "../log.ts";

/** The clock counts as wrong after so many deliveries in a row with a wrong timestamp, over at least this time. */
const offsetSamplesMin = 5;
const episodeMsMin = 5_000;
/** The offset is the median of at most so many deliveries: the first one and the newest. */
const offsetSamplesMax = 50;
/** Each check reads and hashes a body; the limit bounds what made-up timestamps cost. */
const checksPerSecondMax = 5;

/** Detects that this server's clock is wrong: correctly signed deliveries are rejected for their timestamp. */
export interface ClockWatch {
  /** Call for a delivery rejected for its timestamp. Calls `readBytes` at most 5 times a second; null: no body came. */
  readonly onRejected: (headers: SignatureHeaders, readBytes: () => Promise<Uint8Array | null>) => Promise<void>;
  /** Call for a delivery whose signature and timestamp are right. */
  readonly onAccepted: () => void;
  /** By how many seconds the senders' clocks are ahead of this one; null without a sign of a wrong clock. */
  readonly findOffsetSeconds: () => number | null;
}

/** Logs one warning per series of rejected deliveries. */
export function createClockWatch(deps: { secrets: readonly string[]; log: Log; clock: Clock }): ClockWatch {
  const { log, clock } = deps;
  const webhooks = deps.secrets.map(createSvixWebhook);
  /** By svix-id and timestamp: a recorded delivery that is replayed counts once. */
  let samples = new Map<string, { readonly atMs: number; readonly offsetSeconds: number }>();
  let hasWarned = false;
  let second = 0;
  let checks = 0;

  function mayCheck(): boolean {
    const current = Math.floor(clock.monotonicMs() / 1000);
    checks = current === second ? checks + 1 : 1;
    second = current;
    return checks <= checksPerSecondMax;
  }

  /** Compares the signature itself, because svix' `verify` rejects the timestamp first. */
  function isSigned({ svixId, timestamp, signature }: SignatureHeaders, bytes: Uint8Array): boolean {
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    const at = new Date(Number(timestamp) * 1000);
    if (Number.isNaN(at.getTime())) return false;
    const expected = webhooks.map((webhook) => Buffer.from(webhook.sign(svixId, at, text)));
    const given = signature.split(" ").map((one) => Buffer.from(one));
    return expected.some((right) => given.some((one) => one.length === right.length && timingSafeEqual(one, right)));
  }

  function findOffsetSeconds(): number | null {
    const all = [...samples.values()];
    const [first, last] = [all[0], all.at(-1)];
    if (!first || !last || all.length < offsetSamplesMin || last.atMs - first.atMs < episodeMsMin) return null;
    const offsets = all.map(({ offsetSeconds }) => offsetSeconds).sort((a, b) => a - b);
    return offsets[Math.floor(offsets.length / 2)] ?? null;
  }

  return {
    onRejected: async (headers, readBytes) => {
      if (!mayCheck()) return;
      const offsetSeconds = Number(headers.timestamp) - Math.floor(clock.nowMs() / 1000);
      const bytes = await readBytes();
      if (bytes === null || !isSigned(headers, bytes)) return;
      const key = `${headers.timestamp} ${headers.svixId}`;
      if (!samples.has(key)) samples.set(key, { atMs: clock.monotonicMs(), offsetSeconds });
      // The first sample is kept: it shows how long the clock has been wrong.
      const [, afterFirst] = samples.keys();
      if (samples.size > offsetSamplesMax && afterFirst !== undefined) samples.delete(afterFirst);
      const offset = findOffsetSeconds();
      if (offset === null || hasWarned) return;
      hasWarned = true;
      log.warn({ offsetSeconds: offset }, `[Webhook] ${toClockText(offset)}`);
    },
    onAccepted: () => {
      if (samples.size === 0) return;
      samples = new Map();
      hasWarned = false;
    },
    findOffsetSeconds,
  };
}
