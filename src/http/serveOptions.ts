import type { Hono } from "hono";
import type { Log } from "../log.ts";
import { toErrorResponse } from "./errorResponse.ts";
import { withParseableUrl } from "./requestUrl.ts";

/** Above the longest answer (8 s), so that the runtime never cuts one off; Bun's own default is 10 s. */
const idleTimeoutSeconds = 30;

/** Options of `Bun.serve` for the app, without the address to listen on. */
export function createServeOptions({ app, log }: { app: Pick<Hono, "fetch">; log: Log }) {
  return {
    idleTimeout: idleTimeoutSeconds,
    // The app has limits of its own and answers 413 in JSON; the runtime's 413 has no body.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // Passes `server` on, because only it knows the address of a client.
    fetch: (req: Request, server: Bun.Server<undefined>) => app.fetch(withParseableUrl(req), server),
    // Bun's development mode (its default) serves `/bun:info`, and answers an exception with a page of sources.
    development: false,
    error: (error: Error) => {
      log.error({ err: error }, "[Server] A request failed outside of the app");
      return toErrorResponse(error);
    },
  };
}
