/** The program reads the time and sets timers only through a `Clock`, so that a test can move the time. */
export interface Clock {
  /** Epoch milliseconds. */
  readonly nowMs: () => number;
  /** Milliseconds since a fixed point in time, unaffected when the computer's clock is set; for durations. */
  readonly monotonicMs: () => number;
  /**
   * Calls `action` once, after `ms`.
   * @param options.isBackground the timer does not keep the process alive
   * @returns a function that cancels the call
   */
  readonly setTimer: (ms: number, action: () => void, options?: { readonly isBackground?: boolean }) => () => void;
}

/** The computer's clock and timers. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer: (ms, action, { isBackground = false } = {}) => {
    const timer = setTimeout(action, ms);
    if (isBackground) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`. @throws the signal's reason, as soon as it is aborted */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason as Error);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cancel = clock.setTimer(ms, resolve);
  const abort = () => {
    cancel();
    reject(signal?.reason as Error);
  };
  signal?.addEventListener("abort", abort);
  return promise.finally(() => signal?.removeEventListener("abort", abort));
}

/** Calls `action` every `everyMs` until the function returned is called. */
export function repeat(clock: Clock, everyMs: number, action: () => void): () => void {
  let cancel = clock.setTimer(everyMs, tick);
  function tick(): void {
    cancel = clock.setTimer(everyMs, tick);
    action();
  }
  return () => cancel();
}

/** A signal that is aborted after `ms`. Its timer keeps no process alive. Call `cancel` when the work has ended. */
export function startDeadline(clock: Clock, ms: number): { readonly signal: AbortSignal; readonly cancel: () => void } {
  const controller = new AbortController();
  const abort = () => controller.abort(new DOMException("The deadline has passed.", "TimeoutError"));
  return { signal: controller.signal, cancel: clock.setTimer(ms, abort, { isBackground: true }) };
}
