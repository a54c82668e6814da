import { setTimeout as sleep } from "node:timers/promises";
import { Webhook } from "svix";
import { isObject, parseJson } from "../../domain/json.ts";
import type { ClerkEvent } from "./clerkEvents.ts";
import { createRandom } from "./seeded.ts";

/** Before each attempt, in seconds (Svix's documentation): at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h. */
const retryAfterSeconds = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
/** Svix takes no answer within this as a failure. */
const attemptDeadlineMs = 15_000;

/** One request to the endpoint and what came of it. */
export interface DeliveryAttempt {
  readonly event: ClerkEvent;
  /** 1: the first time this event was sent. */
  readonly attempt: number;
  /** null: no answer in time, or no connection. */
  readonly status: number | null;
  /** The outcome or the error's code that the server told; empty if it told none. */
  readonly said: string;
  readonly durationMs: number;
  readonly willRetry: boolean;
}

export interface CourierOptions {
  /** Of the endpoint, such as `http://localhost:3000/api/webhooks/clerk`. */
  readonly url: string;
  /** One, or, while it is being rotated, several `whsec_…`: all of them sign. */
  readonly secrets: readonly string[];
  /** Chance of delays and duplicates comes from it; default 1. */
  readonly seed?: number;
  /** The share of events that are sent twice though they arrived; default 0. */
  readonly duplicateShare?: number;
  /** Each sending waits a time from 0 to this, so that events overtake each other; default 0. */
  readonly delayMsMax?: number;
  /** What Svix's waiting times are multiplied by; default 1. */
  readonly retryScale?: number;
  /** Default: all that Svix makes, 8. */
  readonly attemptsMax?: number;
  /** Requests at a time; default 64. */
  readonly concurrency?: number;
  readonly onAttempt?: (attempt: DeliveryAttempt) => void;
}

/** Delivers events as Svix does: at least once, in no order, again until the endpoint takes them. */
export interface Courier {
  /**
   * Resolves with the last attempt when the endpoint took the event or no further attempt is due.
   * `delayMs` instead of chance, and `copies` more sendings, each with `attempt` counted on.
   */
  readonly send: (event: ClerkEvent, options?: { delayMs?: number; copies?: number }) => Promise<DeliveryAttempt>;
  /** Resolves when nothing is on its way, duplicates included. */
  readonly idle: () => Promise<void>;
  /** Nothing is sent any more; what waits is given up. */
  readonly stop: () => Promise<void>;
}

/** @throws Error if a secret is malformed */
export function createCourier(options: CourierOptions): Courier {
  const { seed = 1, duplicateShare = 0, delayMsMax = 0, retryScale = 1, concurrency = 64 } = options;
  const attemptsMax = Math.min(options.attemptsMax ?? Infinity, retryAfterSeconds.length);
  const webhooks = options.secrets.map((secret) => new Webhook(secret));
  const random = createRandom(seed);
  const stopping = new AbortController();
  const gate = createGate(concurrency);
  const underway = new Set<Promise<unknown>>();

  async function attemptOnce(event: ClerkEvent, attempt: number): Promise<DeliveryAttempt> {
    const startedAt = performance.now();
    const answer = await post(options.url, event, webhooks, stopping.signal);
    const isLast = answer.aborted || attempt >= attemptsMax || stopping.signal.aborted;
    const willRetry = !isLast && !(answer.status !== null && answer.status >= 200 && answer.status < 300);
    const { status, said } = answer;
    const done = { event, attempt, status, said, durationMs: performance.now() - startedAt, willRetry };
    options.onAttempt?.(done);
    return done;
  }

  async function deliver(event: ClerkEvent, delayMs: number, before: number): Promise<DeliveryAttempt> {
    await sleep(delayMs, undefined, { signal: stopping.signal });
    for (let attempt = before + 1; ; attempt++) {
      const done = await gate(() => attemptOnce(event, attempt));
      if (!done.willRetry) return done;
      const waitMs = (retryAfterSeconds[attempt - before] ?? 0) * 1000 * retryScale;
      await sleep(waitMs, undefined, { signal: stopping.signal });
    }
  }

  function track<T>(work: Promise<T>): Promise<T> {
    underway.add(work);
    const forget = () => underway.delete(work);
    work.then(forget, forget);
    return work;
  }

  /** A stop is how waiting ends; whatever else went wrong is a mistake in here. */
  function unlessStopped(cause: unknown): void {
    if (!stopping.signal.aborted) throw cause;
  }

  return {
    send: async (event, { delayMs, copies } = {}) => {
      const extra = copies ?? (random() < duplicateShare ? 1 : 0);
      const first = track(deliver(event, delayMs ?? random() * delayMsMax, 0));
      for (let copy = 1; copy <= extra; copy++) {
        // What becomes of a copy is reported to `onAttempt`.
        track(deliver(event, random() * delayMsMax, copy)).catch(unlessStopped);
      }
      return first;
    },
    idle: async () => {
      while (underway.size > 0) await Promise.allSettled(underway);
    },
    stop: async () => {
      stopping.abort(new Error("the courier was stopped"));
      await Promise.allSettled(underway);
    },
  };
}

async function post(
  url: string,
  { svixId, body }: ClerkEvent,
  webhooks: readonly Webhook[],
  stopping: AbortSignal,
): Promise<{ status: number | null; said: string; aborted: boolean }> {
  const at = new Date();
  try {
    const res = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "user-agent": "Svix-Webhooks/1.84.0 (simulated)",
        "svix-id": svixId,
        "svix-timestamp": String(Math.floor(at.getTime() / 1000)),
        "svix-signature": webhooks.map((webhook) => webhook.sign(svixId, at, body)).join(" "),
      },
      body,
      // A redirect is a failure, Svix does not follow it.
      redirect: "manual",
      signal: AbortSignal.any([stopping, AbortSignal.timeout(attemptDeadlineMs)]),
    });
    const aborted = res.headers.get("webhook-delivery") === "abort-message";
    return { status: res.status, said: toWord(await res.text()), aborted };
  } catch {
    // No connection, or no answer in time: to Svix one as good as the other.
    return { status: null, said: "", aborted: false };
  }
}

/** The outcome or error code; empty where it is not this program's answer: a proxy's page, or another server. */
function toWord(text: string): string {
  const answer = parseJson(text);
  if (!isObject(answer)) return "";
  const word = answer["outcome"] ?? (isObject(answer["error"]) ? answer["error"]["code"] : undefined);
  return typeof word === "string" ? word : "";
}

/** Lets so many in at a time, in the order they came. */
function createGate(places: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = places;
  return async (work) => {
    if (free === 0) await new Promise<void>((enter) => waiting.push(enter));
    else free--;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
