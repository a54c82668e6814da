const windowMs = 10_000;

/** Counts requests in a sliding window of 10 s; answers the seconds to wait when the limit is reached, else 0. */
export function createRateLimit(requestsPer10s: number, now: () => number): () => number {
  /** Times of the last requests, as a ring buffer. */
  const cameAtMs = new Float64Array(requestsPer10s).fill(-Infinity);
  let oldest = 0;
  return () => {
    const nowMs = now();
    const waitMs = (cameAtMs[oldest] ?? -Infinity) + windowMs - nowMs;
    if (waitMs > 0) return Math.ceil(waitMs / 1000);
    cameAtMs[oldest] = nowMs;
    oldest = (oldest + 1) % requestsPer10s;
    return 0;
  };
}
