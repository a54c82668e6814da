import { sleep, startDeadline, type Clock } from "../clock.ts";
import { parseJson } from "../domain/json.ts";
import { startSpan, type SyncObserver } from "../domain/observer.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { RateLimit } from "../rateLimit.ts";
import { retry } from "../retry.ts";
import type { ClerkCallOptions } from "./clerkApi.ts";
import { ClerkAnswerTooLarge, readBodyText } from "./readBodyText.ts";

/** A 200, or a 4xx for the caller to interpret. `body` is the parsed JSON; undefined if it is not JSON. */
export interface ClerkAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * `GET` on Clerk's Backend API; `path` begins with `/v1/`.
 * @throws AppError `clerk_unavailable` or `too_many_requests` after the retries; the reason of an aborted `signal`
 */
export type ClerkRequest = (path: string, query: URLSearchParams, options?: ClerkCallOptions) => Promise<ClerkAnswer>;

/** The part of `fetch` in use, so that tests can replace it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Limits on one call of the Backend API. */
export interface ClerkRequestLimits {
  /** One HTTP request: Clerk answers most in well under a second, a page of 500 users in a few seconds. */
  readonly attemptDeadlineMs: number;
  /** The whole call with its retries and waits, unless the caller sets a shorter deadline. */
  readonly callDeadlineMs: number;
  /** Attempts after the first one. */
  readonly retriesMax: number;
  /** Doubled at each retry; used if Clerk sends no `Retry-After`. */
  readonly firstBackoffMs: number;
  /** A page of 500 users of 16 KB is 8 MB; the rest is headroom for metadata. */
  readonly bodyBytesMax: number;
}

/** Values in production. */
export const defaultClerkRequestLimits: ClerkRequestLimits = {
  attemptDeadlineMs: 10_000,
  callDeadlineMs: 25_000,
  retriesMax: 3,
  firstBackoffMs: 250,
  bodyBytesMax: 32 * 1024 * 1024,
};

/** The API version that @clerk/backend 3.25.0 requests; its types and the webhooks describe users in this version. */
const clerkApiVersion = "2026-05-12";

/** A failed attempt that may be retried. `error` goes to the caller if no retry succeeds. */
class Retryable extends Error {
  readonly error: AppError;
  readonly waitMs: number | undefined;

  constructor(error: AppError, waitMs?: number) {
    super(error.message, { cause: error });
    this.error = error;
    this.waitMs = waitMs;
  }
}

/** Adds key, API version, rate limit, deadlines and retries to `fetch`. */
export function createClerkRequest(options: {
  secretKey: string;
  apiUrl: string;
  /** Shared by all requests with this key. */
  rateLimit: RateLimit;
  log: Log;
  fetch: Fetch;
  limits: ClerkRequestLimits;
  observer?: SyncObserver | undefined;
  clock: Clock;
}): ClerkRequest {
  const { limits, log, clock } = options;

  /** Wait before the next attempt; undefined: fail now, also if `Retry-After` is beyond the deadline of the call. */
  function findWaitMs(error: unknown, failures: number, endsAtMs: number): number | undefined {
    if (!(error instanceof Retryable) || failures > limits.retriesMax) return undefined;
    if (clock.nowMs() + (error.waitMs ?? 0) >= endsAtMs) return undefined;
    // Half of the backoff is jitter, so that replicas do not retry at the same time.
    const backoffMs = limits.firstBackoffMs * 2 ** (failures - 1) * (0.5 + Math.random() / 2);
    const waitMs = error.waitMs ?? Math.round(backoffMs);
    log.warn({ attempt: failures, delayMs: waitMs }, "[Clerk] A request failed and is retried");
    return waitMs;
  }

  return async (path, query, { signal, deadlineMs = limits.callDeadlineMs } = {}) => {
    signal?.throwIfAborted();
    const callDeadlineMs = Math.min(deadlineMs, limits.callDeadlineMs);
    const endsAtMs = clock.nowMs() + callDeadlineMs;
    const url = `${options.apiUrl}${path}${query.size > 0 ? `?${query.toString()}` : ""}`;
    const deadline = startDeadline(clock, callDeadlineMs);
    const whole = signal ? AbortSignal.any([signal, deadline.signal]) : deadline.signal;
    try {
      return await retry(() => attemptOnce(options, url, whole), {
        clock,
        signal: whole,
        findWaitMs: (error, failures) => findWaitMs(error, failures, endsAtMs),
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Retryable) throw error.error;
      if (error instanceof AppError) throw error;
      if (deadline.signal.aborted) throw unavailable("Clerk did not answer in time.", error);
      throw error;
    } finally {
      deadline.cancel();
    }
  };
}

async function attemptOnce(
  options: Parameters<typeof createClerkRequest>[0],
  url: string,
  whole: AbortSignal,
): Promise<ClerkAnswer> {
  const { clock } = options;
  await waitForTurn(options.rateLimit, clock, whole);
  const deadline = startDeadline(clock, options.limits.attemptDeadlineMs);
  const signal = AbortSignal.any([whole, deadline.signal]);
  const endSpan = startSpan();
  let res: Response | undefined;
  let text: string;
  try {
    res = await options.fetch(url, {
      headers: {
        authorization: `Bearer ${options.secretKey}`,
        accept: "application/json",
        "clerk-api-version": clerkApiVersion,
        "user-agent": "clerk-neon-sync",
      },
      // A redirect must not take the secret to another host.
      redirect: "manual",
      signal,
    });
    text = await readBodyText(res, options.limits.bodyBytesMax);
  } catch (cause) {
    if (whole.aborted || cause instanceof ClerkAnswerTooLarge) throw cause;
    throw new Retryable(unavailable("Clerk's API cannot be reached.", cause));
  } finally {
    deadline.cancel();
    const route = new URL(url).pathname.replace(/\/user_\w+/, "/:id");
    options.observer?.onClerkCall?.({ ...endSpan(), route, status: res?.status ?? null });
  }
  return judge(res, text, clock);
}

async function waitForTurn(rateLimit: RateLimit, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const waitMs = await rateLimit("requests");
    if (waitMs === 0) return;
    await sleep(clock, waitMs, signal);
  }
}

function judge(res: Response, text: string, clock: Clock): ClerkAnswer {
  const { status } = res;
  const waitMs = toWaitMs(res.headers.get("retry-after"), clock);
  if (status === 429) {
    const retryAfterSeconds = Math.max(1, Math.ceil((waitMs ?? 0) / 1000));
    throw new Retryable(
      new AppError("too_many_requests", "Clerk's rate limit is reached.", { retryAfterSeconds }),
      waitMs,
    );
  }
  if (status >= 500) throw new Retryable(unexpectedStatus(status), waitMs);
  if (status === 401 || status === 403) {
    throw unavailable(`Clerk rejects CLERK_SECRET_KEY (status ${status}).`);
  }
  if (status !== 200 && (status < 400 || status === 408)) throw unexpectedStatus(status);
  return { status, body: parseJson(text) };
}

/** `Retry-After` as milliseconds from now: Clerk sends seconds, a proxy may send a date. */
function toWaitMs(retryAfter: string | null, clock: Clock): number | undefined {
  if (retryAfter === null) return undefined;
  if (/^\s*\d{1,6}\s*$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const atMs = Date.parse(retryAfter);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - clock.nowMs());
}

/** The error for an absent, unreadable or unexpected answer; says nothing about whether a user exists. */
export function unavailable(message: string, cause?: unknown): AppError {
  return new AppError("clerk_unavailable", message, { cause });
}

/** `unavailable` for an answer whose status the request does not provide for. */
export function unexpectedStatus(status: number): AppError {
  return unavailable(`Clerk answered ${status}.`);
}
