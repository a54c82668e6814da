import { setTimeout as sleep } from "node:timers/promises";
import type { ClerkApi } from "../../clerk/clerkApi.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../log.ts";

/** @throws the signal's reason as soon as it is aborted */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** How long one question waits for Clerk's rate limit to end. */
const limitWaitMsMax = 10 * 60_000;
/** After the client's own retries: a run of many minutes is worth one more try, a dead Clerk not a long wait. */
const failuresMax = 1;

/** A Clerk client for long work: waits as long as the rate limit asks, and retries another failure once. */
export function createRetryingClerk(
  clerk: ClerkApi,
  { signal, log, retryMs }: { signal: AbortSignal; log: Log; retryMs: number },
): ClerkApi {
  async function ask<T>(question: () => Promise<T>): Promise<T> {
    const endsAtMs = Date.now() + limitWaitMsMax;
    for (let failures = 0; ;) {
      try {
        return await question();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof AppError)) throw error;
        const waitMs = error.code === "too_many_requests" ? (error.retryAfterSeconds ?? 1) * 1000 : retryMs;
        if (error.code === "clerk_unavailable") failures += 1;
        else if (error.code !== "too_many_requests") throw error;
        if (failures > failuresMax || Date.now() + waitMs > endsAtMs) throw error;
        log.warn({ err: error, waitMs }, "[Runs] Clerk has to be asked again");
        await pause(waitMs, signal);
      }
    }
  }
  return {
    getUser: (clerkId) => ask(() => clerk.getUser(clerkId, signal)),
    listUsers: (query) => ask(() => clerk.listUsers(query, signal)),
    findUsers: (clerkIds) => ask(() => clerk.findUsers(clerkIds, signal)),
    countUsers: () => ask(() => clerk.countUsers(signal)),
  };
}
