/** A server on a free port of the loopback, to close after the test. */
export function openServer(fetch: (req: Request, server: Bun.Server<undefined>) => Response | Promise<Response>) {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 60, fetch });
  return { origin: server.url.origin, close: () => server.stop(true) };
}
