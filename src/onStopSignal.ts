/** `bun run` forwards a Ctrl-C that the terminal has also sent to the program, so one press arrives as two signals. */
const samePressMs = 500;

/**
 * Calls `stop` at the first SIGINT or SIGTERM. A later one ends the process at once.
 * @returns a function that removes the handlers; call it when there is nothing left to stop
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
