import type { Context } from "hono";

/**
 * The peer address of the connection, if the runtime tells it; a header such as `X-Forwarded-For` is never used, because
 * any client can write it. Needs the second argument of `Bun.serve({ fetch: app.fetch })`, as itself or as `{ server }`.
 */
export function findClientAddress(c: Context): string | undefined {
  const env: unknown = c.env;
  const server = typeof env === "object" && env !== null && "server" in env ? env.server : env;
  if (!hasRequestIp(server)) return undefined;
  return server.requestIP(c.req.raw)?.address;
}

function hasRequestIp(value: unknown): value is { requestIP: (req: Request) => { address: string } | null } {
  return typeof value === "object" && value !== null && "requestIP" in value && typeof value.requestIP === "function";
}
