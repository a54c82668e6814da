import { createBackendApi } from "./backendApi.ts";
import { createClerkChanges, type ClerkChanges } from "./clerkChanges.ts";
import { createClerkDirectory, type ClerkDirectory } from "./clerkDirectory.ts";
import { findFreePort } from "../findFreePort.ts";
import { createSessionTokens, type SessionTokens } from "./sessionTokens.ts";

/** Options of `openSimulatedClerk`. */
export interface SimulatedClerkOptions {
  /** Seed of everything random; default 1. */
  readonly seed?: number;
  /** How many users the instance begins with, up to millions; default 0. */
  readonly users?: number;
  /**
   * First sequence number of the ids of sign-ups and events; default `users`. For a database that keeps the users of an
   * earlier simulated Clerk it must be another number, or ids repeat.
   */
  readonly firstSequence?: number;
  /** Begins with `sk_test_` or `sk_live_`; default `sk_test_simulated`. */
  readonly secretKey?: string;
  /** Id in the events and in the answer of `/v1/instance`; default `ins_simulated`. */
  readonly instanceId?: string;
  /** Port of the Backend API on 127.0.0.1; default: a free one. */
  readonly port?: number;
  /** Rate limit; default as at Clerk: 100 with an `sk_test_` key, 1000 with another. `Infinity`: none. */
  readonly requestsPer10s?: number;
  /** Epoch milliseconds; default the machine's clock. */
  readonly now?: () => number;
  /** Gives the answer to a request, instead of the Backend API (`answer`) or after it. */
  readonly answerAround?: (answer: () => Promise<Response>) => Promise<Response>;
}

/** A Clerk instance in memory, whose Backend API answers over HTTP. */
export interface SimulatedClerk {
  /** For `CLERK_API_URL`, such as `http://127.0.0.1:40000`. */
  readonly apiUrl: string;
  /** For `CLERK_SECRET_KEY`. */
  readonly secretKey: string;
  readonly instanceId: string;
  /** The users; a change here emits no event, like a lost webhook. */
  readonly directory: ClerkDirectory;
  /** Sign-ups, updates and deletions, each with its event. */
  readonly changes: ClerkChanges;
  /** The instance's key pair, made at the first call. */
  readonly sessions: () => Promise<SessionTokens>;
  readonly close: () => Promise<void>;
}

/**
 * Opens a simulated Clerk: users from a seed, generated as they are asked for, so that a million take no memory.
 * @throws Error if the port is taken
 */
export async function openSimulatedClerk(options: SimulatedClerkOptions = {}): Promise<SimulatedClerk> {
  const {
    seed = 1,
    users = 0,
    secretKey = "sk_test_simulated",
    instanceId = "ins_simulated",
    now = Date.now,
    answerAround = (answer) => answer(),
  } = options;
  const firstSequence = options.firstSequence ?? users;
  const directory = createClerkDirectory({ seed, users, firstSequence, now });
  let tokens: Promise<SessionTokens> | undefined;
  const sessions = () => (tokens ??= createSessionTokens({ instanceId, now }));
  const changes = createClerkChanges({ directory, seed, firstSequence, instanceId, now });
  const api = createBackendApi({
    directory,
    changes,
    secretKey,
    instanceId,
    requestsPer10s: options.requestsPer10s ?? (secretKey.startsWith("sk_test_") ? 100 : 1000),
    sessions,
    now,
  });
  const server = Bun.serve({
    port: options.port ?? (await findFreePort()),
    hostname: "127.0.0.1",
    // Longer than any deadline of a caller, so that slow answers are not cut.
    idleTimeout: 60,
    fetch: (req) => answerAround(() => api(req)),
  });
  return {
    apiUrl: server.url.origin,
    secretKey,
    instanceId,
    directory,
    changes,
    sessions,
    close: () => server.stop(true),
  };
}
