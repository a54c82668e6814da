import { circuitBreaker, type CircuitBreakerPolicy, handleWhen, type IBackoff, type IBreaker } from "cockatiel";
import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../log.ts";

/** Number of consecutive failures that open the breaker. */
const failuresBeforeOpen = 3;
/** The failures must also span this time: connections that were cut at the same moment do not open the breaker. */
const failingMsBeforeOpen = 100;
/** Interval of half-open probes: deliveries succeed within 5 s of the database's return. */
const probeEveryMs = 1_000;

/** Circuit breaker for all calls of the database. While it is open, calls fail at once, except one probe per second. */
export function createBreaker({ log, clock }: { log: Log; clock: Clock }): CircuitBreakerPolicy {
  const breaker = circuitBreaker(
    handleWhen((error) => error instanceof AppError && error.code === "unavailable"),
    { halfOpenAfter: createOpenTime(clock), breaker: createStreakBreaker(clock) },
  );
  breaker.onBreak((reason) =>
    log.error(
      { err: "error" in reason ? reason.error : undefined },
      "[Database] Unavailable; deliveries are answered 503 until it is back (run doctor for the cause)",
    ),
  );
  breaker.onReset(() => log.info("[Database] Available again"));
  return breaker;
}

/**
 * Duration of the open state. cockatiel compares it with `Date.now` at each call; to follow `clock` instead, it is
 * infinite until the time is over.
 */
function createOpenTime(clock: Clock): IBackoff<unknown> {
  const probeAtMs = clock.nowMs() + probeEveryMs;
  return {
    get duration() {
      return clock.nowMs() < probeAtMs ? Infinity : 0;
    },
    // Called each time the breaker opens.
    next: () => createOpenTime(clock),
  };
}

function createStreakBreaker(clock: Clock): IBreaker {
  let failures = 0;
  let firstAtMs = 0;
  return {
    state: undefined,
    success: () => {
      failures = 0;
    },
    failure: () => {
      if (failures === 0) firstAtMs = clock.nowMs();
      failures += 1;
      return failures >= failuresBeforeOpen && clock.nowMs() - firstAtMs >= failingMsBeforeOpen;
    },
  };
}
