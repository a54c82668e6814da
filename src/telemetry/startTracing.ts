import type { Log } from "../log.ts";
import type { Tracing } from "./tracing.ts";

/** Tracing from a moment after now: OpenTelemetry is loaded while the server already answers. */
export function startTracing(options: { endpoint: string; log: Log }): Tracing {
  let tracing: Tracing | undefined;
  const loading = import("./tracing.ts").then(
    ({ openTracing }) => {
      tracing = openTracing(options);
    },
    (error: unknown) => options.log.error({ err: error }, "[Tracing] Cannot be loaded; nothing is traced"),
  );
  return {
    observer: {
      onDelivery: (answer) => tracing?.observer.onDelivery?.(answer),
      onBatch: (batch) => tracing?.observer.onBatch?.(batch),
      onClerkCall: (call) => tracing?.observer.onClerkCall?.(call),
    },
    close: async () => {
      await loading;
      await tracing?.close();
    },
  };
}
