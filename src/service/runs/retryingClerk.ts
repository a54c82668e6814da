import { ClerkAnswerTooLarge } from "../../clerk/readBodyText.ts";
import type { ClerkApi } from "../../clerk/clerkApi.ts";
import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { retry } from "../../retry.ts";

/** How long one question waits for Clerk's rate limit to end. */
const limitWaitMsMax = 10 * 60_000;
/** After the client's own retries: a run of many minutes is worth one more try, a dead Clerk not a long wait. */
const failuresMax = 1;

/** A Clerk client for long work: waits as long as the rate limit asks, and retries another failure once. */
export function createRetryingClerk(
  clerk: ClerkApi,
  { signal, clock, log, retryMs }: { signal: AbortSignal; clock: Clock; log: Log; retryMs: number },
): ClerkApi {
  function ask<T>(question: () => Promise<T>): Promise<T> {
    const endsAtMs = clock.nowMs() + limitWaitMsMax;
    let unavailable = 0;
    return retry(question, {
      clock,
      signal,
      findWaitMs: (error) => {
        if (!(error instanceof AppError) || error instanceof ClerkAnswerTooLarge) return undefined;
        const isLimited = error.code === "too_many_requests";
        if (error.code === "clerk_unavailable") unavailable += 1;
        else if (!isLimited) return undefined;
        const waitMs = isLimited ? (error.retryAfterSeconds ?? 1) * 1000 : retryMs;
        if (unavailable > failuresMax || clock.nowMs() + waitMs > endsAtMs) return undefined;
        log.warn({ err: error, waitMs }, "[Runs] Clerk has to be asked again");
        return waitMs;
      },
    });
  }
  return {
    getUser: (clerkId) => ask(() => clerk.getUser(clerkId, { signal })),
    listUsers: (query) => ask(() => clerk.listUsers(query, { signal })),
    findUsers: (clerkIds) => ask(() => clerk.findUsers(clerkIds, { signal })),
    findInstanceId: () => ask(() => clerk.findInstanceId?.({ signal }) ?? Promise.resolve(null)),
    countUsers: () => ask(() => clerk.countUsers({ signal })),
  };
}
