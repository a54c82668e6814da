import { AppError } from "../errors.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createTokenCheck, findBearerToken } from "../auth/bearerToken.ts";
import type { RateLimits } from "../auth/rateLimits.ts";

/** `GET /metrics`, with the admin token. Sends no query. */
export function createMetricsRoute(deps: {
  metrics: Metrics;
  adminToken?: string | undefined;
  rateLimits: RateLimits;
}): (headers: Headers, clientAddress: string | undefined) => Promise<Response> {
  const isAdminToken = createTokenCheck(deps.adminToken);
  return async (headers, clientAddress = "unknown") => {
    const token = findBearerToken(headers);
    if (token === undefined || !isAdminToken(token)) {
      if (token !== undefined) await deps.rateLimits.countFailure(clientAddress);
      throw new AppError("unauthorized", "The admin token is needed.");
    }
    const { text, contentType } = await deps.metrics.read();
    return new Response(text, { headers: { "content-type": contentType, "cache-control": "no-store" } });
  };
}
