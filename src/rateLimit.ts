import type { RateLimiterMemory } from "rate-limiter-flexible";

/**
 * Counts a use of `key`.
 * @returns 0 if the use is within the limit, else the milliseconds until the next one is
 */
export type RateLimit = (key: string) => Promise<number>;

/**
 * Counts in a fixed window per key, which begins with the first use; per process, by the library's own clock. The
 * library is loaded at the first use, so that the first webhook does not wait for it.
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
