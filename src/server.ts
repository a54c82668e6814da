import { createClerkApi } from "./clerk/createClerkApi.ts";
import { createSessionVerifier } from "./clerk/session.ts";
import type { Config } from "./config.ts";
import { createApp } from "./http/app.ts";
import type { Log } from "./log.ts";
import { createServices } from "./service/services.ts";
import { openDatabase } from "./store/database.ts";

/** Above the longest answer (8 s), so that the runtime never cuts one off; Bun's own default is 10 s. */
const idleTimeoutSeconds = 30;
/** In-flight deliveries are answered within their own 8 s; then the process goes, come what may. */
const shutdownMs = 9_000;

export interface RunningServer {
  readonly port: number;
  /** Stops taking connections, answers what is in flight, closes the database; within 10 s. */
  readonly stop: () => Promise<void>;
}

/** Config → database → services → app → serve. `main`, `dev` and `demo` run the same server. */
export function startServer(config: Config & { databaseUrl: string }, log: Log): RunningServer {
  const database = openDatabase({ url: config.databaseUrl, poolMax: config.databasePoolMax, log });
  const clerk = createClerkApi({ secretKey: config.clerkSecretKey, apiUrl: config.clerkApiUrl, log });
  const services = createServices({
    database,
    clerk,
    log,
    defaultTurma: config.defaultTurma,
    clerkInstanceId: config.clerkInstanceId,
  });
  let draining = false;
  const app = createApp({
    services,
    database,
    log,
    webhookSecrets: config.webhookSecrets,
    defaultTurma: config.defaultTurma,
    clerkInstanceId: config.clerkInstanceId,
    adminToken: config.adminApiToken,
    verifySession: createSessionVerifier({
      jwtKey: config.clerkJwtKey,
      secretKey: config.clerkSecretKey,
      authorizedParties: config.clerkAuthorizedParties,
      apiUrl: config.clerkApiUrl,
      log,
    }),
    isDraining: () => draining,
  });
  const server = Bun.serve({
    port: config.port,
    hostname: config.host,
    idleTimeout: idleTimeoutSeconds,
    // With the server as its environment: only that knows a client's address.
    fetch: (req, bunServer) => app.fetch(req, bunServer),
  });
  const port = server.port ?? config.port;
  log.info({ port }, `[Server] Listening on http://${config.host}:${port}`);

  return {
    port,
    stop: async () => {
      draining = true;
      const timer = setTimeout(() => void server.stop(true), shutdownMs);
      await server.stop();
      clearTimeout(timer);
      await database.close();
      log.info("[Server] Stopped");
    },
  };
}
