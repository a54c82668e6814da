import type { RateLimiterMemory } from "rate-limiter-flexible";

/**
 * Counts a use of `key`.
 * @returns 0 if it is let through, else the milliseconds until the next one is
 */
export type RateLimit = (key: string) => Promise<number>;

/**
 * A fixed window per key, which begins with its first use; per process, by the library's own clock.
 * The library is loaded when there is something to count, so that the first webhook does not wait for it.
 */
export function createRateLimit(options: { readonly usesMax: number; readonly windowSeconds: number }): RateLimit {
  let limiter: RateLimiterMemory | undefined;
  return async (key) => {
    const { RateLimiterMemory, RateLimiterRes } = await import("rate-limiter-flexible");
    limiter ??= new RateLimiterMemory({ points: options.usesMax, duration: options.windowSeconds });
    try {
      await limiter.consume(key);
      return 0;
    } catch (cause) {
      if (!(cause instanceof RateLimiterRes)) throw cause;
      return Math.max(1, cause.msBeforeNext);
    }
  };
}
