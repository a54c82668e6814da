import { ClerkAnswerTooLarge } from "../../clerk/readBodyText.ts";
import { mapClerkCalls, type ClerkApi } from "../../clerk/clerkApi.ts";
import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { retry } from "../../retry.ts";

/** How long one call may wait for Clerk's rate limit. */
const limitWaitMsMax = 10 * 60_000;
/** Retries on top of those of the client, because a failed call can cost a run of many minutes. */
const failuresMax = 1;

/** A client for runs: waits as long as the rate limit demands, retries any other failure once, and ends with `signal`. */
export function createRetryingClerk(
  clerk: ClerkApi,
  { signal, clock, log, retryMs }: { signal: AbortSignal; clock: Clock; log: Log; retryMs: number },
): ClerkApi {
  return mapClerkCalls(clerk, (call) => {
    const endsAtMs = clock.nowMs() + limitWaitMsMax;
    let unavailable = 0;
    return retry(() => call({ signal }), {
      clock,
      signal,
      findWaitMs: (error) => {
        if (!(error instanceof AppError) || error instanceof ClerkAnswerTooLarge) return undefined;
        const isLimited = error.code === "too_many_requests";
        if (error.code === "clerk_unavailable") unavailable += 1;
        else if (!isLimited) return undefined;
        const waitMs = isLimited ? (error.retryAfterSeconds ?? 1) * 1000 : retryMs;
        if (unavailable > failuresMax || clock.nowMs() + waitMs > endsAtMs) return undefined;
        log.warn({ err: error, waitMs }, "[Runs] A call of Clerk's API failed and is retried");
        return waitMs;
      },
    });
  });
}
