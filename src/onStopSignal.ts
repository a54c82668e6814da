/** `bun run` passes a Ctrl-C on that the terminal has sent already, so one press arrives as two signals. */
const samePressMs = 500;

/**
 * Calls `stop` at the first SIGINT or SIGTERM. A later one ends the process at once.
 * @returns removes the handlers; to be called when there is nothing left to stop
 */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void): () => void {
  const signals = ["SIGINT", "SIGTERM"] as const;
  let firstAtMs: number | undefined;
  const forget = () => {
    for (const signal of signals) process.off(signal, handle);
  };
  const handle = (signal: NodeJS.Signals) => {
    const nowMs = performance.now();
    if (firstAtMs === undefined) {
      firstAtMs = nowMs;
      stop(signal);
    } else if (nowMs - firstAtMs > samePressMs) {
      forget();
      process.kill(process.pid, signal);
    }
  };
  for (const signal of signals) process.on(signal, handle);
  return forget;
}
