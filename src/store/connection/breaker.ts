import { circuitBreaker, type CircuitBreakerPolicy, handleWhen, type IBackoff, type IBreaker } from "cockatiel";
import type { Clock } from "../../clock.ts";
import { AppError } from "../../errors.ts";
import type { Log } from "../../log.ts";

/** Failures in a row after which calls fail at once instead of each finding out for itself … */
const failuresBeforeOpen = 3;
/** … but not those of one moment: connections that were all cut at once are all made again. */
const failingMsBeforeOpen = 100;
/** How often one call is let through while the database is away; 200s have to be back within 5 s of its return. */
const probeEveryMs = 1_000;

/** Stands before every call of the database: open, calls fail at once but for one a second. */
export function createBreaker({ log, clock }: { log: Log; clock: Clock }): CircuitBreakerPolicy {
  const breaker = circuitBreaker(
    handleWhen((error) => error instanceof AppError && error.code === "unavailable"),
    { halfOpenAfter: createOpenTime(clock), breaker: createStreakBreaker(clock) },
  );
  breaker.onBreak((reason) =>
    log.error(
      { err: "error" in reason ? reason.error : undefined },
      "[Database] Away; deliveries are answered 503 until it is back",
    ),
  );
  breaker.onReset(() => log.info("[Database] Back"));
  return breaker;
}

/**
 * How long the breaker stays open. cockatiel measures it by `Date.now` and reads `duration` at each call; so that the
 * clock decides, it is without end until the time is over.
 */
function createOpenTime(clock: Clock): IBackoff<unknown> {
  const probeAtMs = clock.nowMs() + probeEveryMs;
  return {
    get duration() {
      return clock.nowMs() < probeAtMs ? Infinity : 0;
    },
    // Called each time that the breaker opens.
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
