import { systemClock, type Clock } from "../clock.ts";
import { isClerkId } from "../domain/clerkId.ts";
import { isObject } from "../domain/json.ts";
import type { SyncObserver } from "../domain/observer.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { createRateLimit, type RateLimit } from "../rateLimit.ts";
import type { ClerkApi, ClerkCallOptions, ClerkUser, ClerkUserPageQuery } from "./clerkApi.ts";
import {
  type ClerkAnswer,
  type ClerkRequest,
  type ClerkRequestLimits,
  createClerkRequest,
  defaultClerkRequestLimits,
  type Fetch,
  unavailable,
  unexpectedStatus,
} from "./clerkRequest.ts";

/** Clerk's own limits on one request (docs). */
const pageUsersMax = 500;
const findUsersMax = 100;
const instanceIdPattern = /^ins_[\w-]{1,120}$/;

export interface ClerkApiOptions {
  readonly secretKey: string;
  /** Without a slash at its end. */
  readonly apiUrl: string;
  readonly log: Log;
  readonly fetch?: Fetch;
  readonly limits?: Partial<ClerkRequestLimits>;
  readonly observer?: SyncObserver | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Clerk's Backend API over HTTP. Build one per process: the instance's rate limit is kept inside.
 * Plain fetch, because the SDK has no deadline, no signal and no cursor, and asks twice per page.
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
 * Clerk allows 1000 requests in 10 s in production, 100 in development (docs). Any 10 s meet six windows of 2 s at most,
 * the first and the last in part, so a window may have a sixth.
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
  if (!isUser(body) || body.id !== clerkId) throw unavailable("Clerk answered something other than the user.");
  return body;
}

async function listUsers(
  request: ClerkRequest,
  { limit, orderBy, startingAfter, createdAtAfterMs, offset }: ClerkUserPageQuery,
  options?: ClerkCallOptions,
): Promise<readonly ClerkUser[]> {
  if (!Number.isInteger(limit) || limit < 1 || limit > pageUsersMax) {
    throw new AppError("bad_request", `A page has 1 to ${pageUsersMax} users.`);
  }
  const query = new URLSearchParams({ limit: String(limit), order_by: orderBy });
  if (startingAfter !== undefined) {
    checkIds([startingAfter]);
    query.set("starting_after", startingAfter);
  }
  if (createdAtAfterMs !== undefined) query.set("created_at_after", String(Math.trunc(createdAtAfterMs)));
  if (offset !== undefined) query.set("offset", String(offset));
  const answer = await request("/v1/users", query, options);
  const refused = answer.status === 400 || answer.status === 404 || answer.status === 422;
  if (startingAfter !== undefined && refused && findErrorCode(answer.body) !== undefined) {
    throw new AppError("not_found", "Clerk does not know the user to start after.");
  }
  return toUsers(answer, limit);
}

async function findUsers(
  request: ClerkRequest,
  clerkIds: readonly string[],
  options?: ClerkCallOptions,
): Promise<readonly ClerkUser[]> {
  checkIds(clerkIds);
  const asked = new Set(clerkIds);
  if (asked.size > findUsersMax) throw new AppError("bad_request", `At most ${findUsersMax} users can be asked for.`);
  if (asked.size === 0) return [];
  const query = new URLSearchParams({ limit: String(findUsersMax) });
  for (const clerkId of asked) query.append("user_id", clerkId);
  const users = toUsers(await request("/v1/users", query, options), findUsersMax);
  // A filter that was ignored would make every absent id look gone.
  if (!users.every((user) => asked.has(user.id))) throw unavailable("Clerk answered users nobody asked for.");
  return users;
}

/** `GET /v1/instance` of the Backend API (`Instance` of @clerk/backend); stand-ins for Clerk may not have it. */
async function findInstanceId(request: ClerkRequest, options?: ClerkCallOptions): Promise<string | null> {
  const { status, body } = await request("/v1/instance", new URLSearchParams(), options);
  const instanceId = status === 200 && isObject(body) ? body["id"] : undefined;
  return typeof instanceId === "string" && instanceIdPattern.test(instanceId) ? instanceId : null;
}

async function countUsers(request: ClerkRequest, options?: ClerkCallOptions): Promise<number> {
  const body = toBody(await request("/v1/users/count", new URLSearchParams(), options));
  const count = isObject(body) ? body["total_count"] : undefined;
  if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 0) {
    throw unavailable("Clerk answered something other than a count.");
  }
  return count;
}

function checkIds(clerkIds: readonly string[]): void {
  if (!clerkIds.every(isClerkId))
    throw new AppError("bad_request", "A Clerk user id is user_ and 1 to 59 letters or digits.");
}

function toBody({ status, body }: ClerkAnswer): unknown {
  if (status !== 200) throw unexpectedStatus(status);
  return body;
}

function toUsers(answer: ClerkAnswer, max: number): readonly ClerkUser[] {
  const body = toBody(answer);
  if (!Array.isArray(body) || body.length > max || !body.every(isUser)) {
    throw unavailable("Clerk answered something other than a list of users.");
  }
  return body;
}

function isUser(value: unknown): value is ClerkUser {
  return isObject(value) && isClerkId(value["id"]);
}

/** The code of Clerk's own error body, which proxies and load balancers do not write. */
function findErrorCode(body: unknown): string | undefined {
  const errors = isObject(body) ? body["errors"] : undefined;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  const code = isObject(first) ? first["code"] : undefined;
  return typeof code === "string" ? code : undefined;
}
