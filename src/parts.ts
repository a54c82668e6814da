import type { ClerkApi } from "./clerk/clerkApi.ts";
import { createClerkApi } from "./clerk/createClerkApi.ts";
import { createSessionVerifier } from "./clerk/session.ts";
import type { Config } from "./config.ts";
import type { SyncObserver } from "./domain/observer.ts";
import type { AppDeps } from "./http/app.ts";
import type { Log } from "./log.ts";
import { createServices, type Services } from "./service/services.ts";
import type { Database } from "./store/database.ts";

export interface PartsDeps {
  readonly config: Config;
  readonly database: Database;
  readonly log: Log;
  /** By default the real one, of the config's key and address. */
  readonly clerk?: ClerkApi | undefined;
  readonly observer?: SyncObserver | undefined;
}

export interface Parts {
  readonly services: Services;
  /** What `createApp` and `createContextFactory` need, and may be given otherwise. */
  readonly appDeps: AppDeps;
}

/** A configuration and a database → everything that serves; the server and a team's own program share it. */
export function createParts({ config, database, log, observer, ...deps }: PartsDeps): Parts {
  const { clerkSecretKey: secretKey, clerkApiUrl: apiUrl, clerkInstanceId, defaultTurma } = config;
  const clerk = deps.clerk ?? createClerkApi({ secretKey, apiUrl, log, observer });
  const services = createServices({ database, clerk, log, defaultTurma, clerkInstanceId, observer });
  const verifySession = createSessionVerifier({
    jwtKey: config.clerkJwtKey,
    secretKey,
    authorizedParties: config.clerkAuthorizedParties,
    apiUrl,
    log,
  });
  return {
    services,
    appDeps: {
      services,
      database,
      log,
      webhookSecrets: config.webhookSecrets,
      defaultTurma,
      clerkInstanceId,
      adminToken: config.adminApiToken,
      verifySession,
      ...(observer ? { observer } : {}),
    },
  };
}
