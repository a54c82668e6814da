import { sleep, type Clock } from "./clock.ts";

/** Options of `retry`. */
export interface RetryOptions {
  readonly clock: Clock;
  /**
   * Milliseconds until the next attempt; undefined: the error is thrown.
   * @param failures attempts that have failed so far, this one included
   */
  readonly findWaitMs: (error: unknown, failures: number) => number | undefined | Promise<number | undefined>;
  /** Ends the retries, also during a wait. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls `attempt` until it succeeds or `findWaitMs` decides against another try.
 * @throws the last attempt's error; the signal's reason once it is aborted
 */
export async function retry<T>(attempt: () => PromiseLike<T>, options: RetryOptions): Promise<T> {
  const { clock, findWaitMs, signal } = options;
  for (let failures = 1; ; failures += 1) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      const waitMs = await findWaitMs(error, failures);
      if (waitMs === undefined) throw error;
      await sleep(clock, waitMs, signal);
    }
  }
}
