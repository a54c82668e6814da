import { setTimeout as sleep } from "node:timers/promises";
import { Webhook } from "svix";
import { isObject, parseJson } from "../../domain/json.ts";
import type { ClerkEvent } from "./clerkEvents.ts";
import { createRandom } from "./seeded.ts";

/** Delay before each attempt, in seconds (Svix's documentation): none, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h. */
const retryAfterSeconds = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
/** An attempt without an answer within this time is a failure for Svix. */
const attemptDeadlineMs = 15_000;

/** One delivery (HTTP attempt) and its answer. */
export interface DeliveryAttempt {
  readonly event: ClerkEvent;
  /** 1: the first time this event was sent. */
  readonly attempt: number;
  /** null: no answer in time, or no connection. */
  readonly status: number | null;
  /** The outcome or error code in the answer; empty if it has none. */
  readonly said: string;
  readonly durationMs: number;
  readonly willRetry: boolean;
}

/** Options of `createCourier`. */
export interface CourierOptions {
  /** Address of the endpoint, such as `http://localhost:3000/api/webhooks/clerk`. */
  readonly url: string;
  /** `whsec_…`; several during a rotation: each of them signs. */
  readonly secrets: readonly string[];
  /** Seed of random delays and duplicates; default 1. */
  readonly seed?: number;
  /** Share of events that are sent again after they have arrived; default 0. */
  readonly duplicateShare?: number;
  /** Each event is delayed by 0 to this, so that events arrive out of order; default 0. */
  readonly delayMsMax?: number;
  /** Factor of Svix's retry delays; default 1. */
  readonly retryScale?: number;
  /** Default: 8, as many as Svix makes. */
  readonly attemptsMax?: number;
  /** Requests at a time; default 64. */
  readonly concurrency?: number;
  readonly onAttempt?: (attempt: DeliveryAttempt) => void;
}

/** Delivers events as Svix does: at least once, in any order, with retries until the endpoint accepts them. */
export interface Courier {
  /**
   * Resolves with the last attempt when the endpoint accepted the event or no further attempt is due.
   * `delayMs` replaces the random delay; `copies` is the number of duplicates, whose `attempt` continues the count.
   */
  readonly send: (event: ClerkEvent, options?: { delayMs?: number; copies?: number }) => Promise<DeliveryAttempt>;
  /** Resolves when nothing is in flight or pending, duplicates included. */
  readonly idle: () => Promise<void>;
  /** From now on the courier sends nothing; pending retries are dropped. */
  readonly stop: () => Promise<void>;
}

/** @throws Error if a secret is malformed */
export function createCourier(options: CourierOptions): Courier {
  const { seed = 1, duplicateShare = 0, delayMsMax = 0, retryScale = 1, concurrency = 64 } = options;
  const attemptsMax = Math.min(options.attemptsMax ?? Infinity, retryAfterSeconds.length);
  const webhooks = options.secrets.map((secret) => new Webhook(secret));
  const random = createRandom(seed);
  const stopping = new AbortController();
  const limit = createLimit(concurrency);
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
      const done = await limit(() => attemptOnce(event, attempt));
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

  /** `stop` rejects what is pending; any other error is a bug. */
  function unlessStopped(cause: unknown): void {
    if (!stopping.signal.aborted) throw cause;
  }

  return {
    send: async (event, { delayMs, copies } = {}) => {
      const extra = copies ?? (random() < duplicateShare ? 1 : 0);
      const first = track(deliver(event, delayMs ?? random() * delayMsMax, 0));
      for (let copy = 1; copy <= extra; copy++) {
        // Only `onAttempt` is told the answers to a duplicate.
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
    // No connection, or no answer in time: Svix treats them alike.
    return { status: null, said: "", aborted: false };
  }
}

/** Outcome or error code; empty if the answer is not this program's, but a proxy's or another server's. */
function toWord(text: string): string {
  const answer = parseJson(text);
  if (!isObject(answer)) return "";
  const word = answer["outcome"] ?? (isObject(answer["error"]) ? answer["error"]["code"] : undefined);
  return typeof word === "string" ? word : "";
}

/** Runs at most `places` calls at a time, in the order in which they came. */
function createLimit(places: number): <T>(work: () => Promise<T>) => Promise<T> {
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
