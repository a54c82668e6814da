import { systemClock, type Clock } from "../clock.ts";
import { isObject } from "../domain/json.ts";
import type { SyncObserver } from "../domain/observer.ts";
import type { Log } from "../log.ts";
import { createRateLimit, type RateLimit } from "../rateLimit.ts";
import type { ClerkApi, ClerkCallOptions, ClerkUser } from "./clerkApi.ts";
import { checkIds, findErrorCode, findUsers, isUser, listUsers, toBody } from "./clerkLists.ts";
import {
  type ClerkRequest,
  type ClerkRequestLimits,
  createClerkRequest,
  defaultClerkRequestLimits,
  type Fetch,
  unavailable,
} from "./clerkRequest.ts";

const instanceIdPattern = /^ins_[\w-]{1,120}$/;

/** Settings of the Backend API client. */
export interface ClerkApiOptions {
  /** `CLERK_SECRET_KEY` */
  readonly secretKey: string;
  /** Base URL without a trailing slash. */
  readonly apiUrl: string;
  readonly log: Log;
  readonly fetch?: Fetch;
  readonly limits?: Partial<ClerkRequestLimits>;
  readonly observer?: SyncObserver | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Clerk's Backend API over HTTP. Create one per process, because it holds the rate limit of the instance. Uses fetch,
 * because Clerk's SDK has no deadline, no abort signal and no cursor, and makes two requests per page.
 */
export function createClerkApi(options: ClerkApiOptions): ClerkApi {
  const { secretKey, apiUrl, log, fetch = globalThis.fetch, limits, observer, clock = systemClock } = options;
  const request = createClerkRequest({
    secretKey,
    apiUrl,
    log,
    fetch,
    rateLimit: createClerkRateLimit(secretKey),
    limits: { ...defaultClerkRequestLimits, ...limits },
    observer,
    clock,
  });
  return {
    getUser: (clerkId, call) => getUser(request, clerkId, call),
    listUsers: (query, call) => listUsers(request, query, call),
    findUsers: (clerkIds, call) => findUsers(request, clerkIds, call),
    findInstanceId: (call) => findInstanceId(request, call),
    countUsers: (call) => countUsers(request, call),
  };
}

/**
 * Clerk allows 1000 requests per 10 s in production, 100 in development (docs). Any 10 s overlap at most six windows of
 * 2 s, so each window gets a sixth.
 */
function createClerkRateLimit(secretKey: string): RateLimit {
  const requestsPer10s = secretKey.startsWith("sk_live_") ? 1000 : 100;
  return createRateLimit({ usesMax: Math.floor(requestsPer10s / 6), windowSeconds: 2 });
}

async function getUser(request: ClerkRequest, clerkId: string, options?: ClerkCallOptions): Promise<ClerkUser | null> {
  checkIds([clerkId]);
  const answer = await request(`/v1/users/${clerkId}`, new URLSearchParams(), options);
  if (answer.status === 404 && findErrorCode(answer.body) === "resource_not_found") return null;
  const body = toBody(answer);
  if (!isUser(body) || body.id !== clerkId) throw unavailable("Clerk's answer is not the user that was requested.");
  return body;
}

/** `GET /v1/instance` (`Instance` of @clerk/backend); emulators of Clerk may lack it. */
async function findInstanceId(request: ClerkRequest, options?: ClerkCallOptions): Promise<string | null> {
  const { status, body } = await request("/v1/instance", new URLSearchParams(), options);
  const instanceId = status === 200 && isObject(body) ? body["id"] : undefined;
  return typeof instanceId === "string" && instanceIdPattern.test(instanceId) ? instanceId : null;
}

async function countUsers(request: ClerkRequest, options?: ClerkCallOptions): Promise<number> {
  const body = toBody(await request("/v1/users/count", new URLSearchParams(), options));
  const count = isObject(body) ? body["total_count"] : undefined;
  if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 0) {
    throw unavailable("Clerk's answer is not a count of users.");
  }
  return count;
}
