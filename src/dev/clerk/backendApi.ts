import { answerWrite } from "./backendWrites.ts";
import type { ClerkChanges } from "./clerkChanges.ts";
import type { ClerkDirectory } from "./clerkDirectory.ts";
import type { PageQuery } from "./listPage.ts";
import { createRateLimit } from "./rateLimit.ts";
import type { SessionTokens } from "./sessionTokens.ts";

/** From Clerk's OpenAPI specification. */
const pageUsersMax = 500;
const pageUsersDefault = 10;
const idFilterMax = 100;

/** Options of `createBackendApi`. */
export interface BackendApiOptions {
  readonly directory: ClerkDirectory;
  readonly changes: ClerkChanges;
  readonly secretKey: string;
  readonly instanceId: string;
  /** Rate limit. Clerk's is 100 for development instances, 1000 for production; `Infinity`: none. */
  readonly requestsPer10s: number;
  readonly sessions: () => Promise<SessionTokens>;
  readonly now: () => number;
}

/**
 * The part of Clerk's Backend API that this program uses: `/v1/users`, `/v1/users/count`, `/v1/users/:id`, `/v1/instance`,
 * `/v1/jwks`; and the writes of `answerWrite`.
 */
export function createBackendApi(options: BackendApiOptions): (req: Request) => Promise<Response> {
  const { directory, requestsPer10s, now } = options;
  const limit = Number.isFinite(requestsPer10s) ? createRateLimit(requestsPer10s, now) : () => 0;
  return async (req) => {
    const url = new URL(req.url);
    const authorization = req.headers.get("authorization");
    if (authorization !== `Bearer ${options.secretKey}`) return unauthorized(authorization !== null);
    // Clerk does not rate-limit the keys.
    if (url.pathname === "/v1/jwks") return json((await options.sessions()).jwks);
    const waitSeconds = limit();
    if (waitSeconds > 0) {
      const res = clerkError(429, "too_many_requests", "Too many requests", "Too many requests, retry later");
      res.headers.set("retry-after", String(waitSeconds));
      return res;
    }
    if (req.method !== "GET") {
      const written = await answerWrite(req, url.pathname, options);
      return written ? json(written.body, written.status) : clerkError(404, "resource_not_found", "not found");
    }
    if (url.pathname === "/v1/instance") {
      return json({
        object: "instance",
        id: options.instanceId,
        environment_type: "development",
        allowed_origins: null,
      });
    }
    if (url.pathname === "/v1/users") return listUsers(directory, url.searchParams);
    if (url.pathname === "/v1/users/count")
      return json({ object: "total_count", total_count: countUsers(directory, url) });
    const clerkId = /^\/v1\/users\/([^/]+)$/.exec(url.pathname)?.[1];
    if (clerkId === undefined) return clerkError(404, "resource_not_found", "not found", "The path is unknown.");
    const user = directory.find(decodeURIComponent(clerkId));
    return user ? json(user) : userNotFound(clerkId);
  };
}

function listUsers(directory: ClerkDirectory, params: URLSearchParams): Response {
  const limit = toCount(params.get("limit"), pageUsersDefault, 1, pageUsersMax);
  if (limit === undefined) return invalid("limit", `must be between 1 and ${pageUsersMax}`);
  const offset = toCount(params.get("offset"), 0, 0, Number.MAX_SAFE_INTEGER);
  if (offset === undefined) return invalid("offset", "must be a whole number");
  const orderBy = toOrder(params.get("order_by"));
  if (!orderBy) return invalid("order_by", "is not included in the list");
  const ids = params.getAll("user_id");
  if (ids.length > idFilterMax) return invalid("user_id", `must contain at most ${idFilterMax} items`);
  const cursor = params.get("starting_after");
  if (cursor !== null && (orderBy.field !== "created_at" || params.has("offset"))) {
    return invalid("starting_after", "goes with created_at order and without offset only");
  }
  const startingAfter = cursor === null ? undefined : directory.find(cursor);
  if (cursor !== null && !startingAfter) return userNotFound(cursor);
  const query: PageQuery = {
    limit,
    offset,
    orderBy,
    ...(startingAfter ? { startingAfter } : {}),
    ...toTimes(params),
  };
  return json(ids.length > 0 ? findUsers(directory, ids, query) : directory.list(query));
}

function findUsers(directory: ClerkDirectory, ids: readonly string[], { orderBy, offset = 0, limit }: PageQuery) {
  // Real Clerk takes `+` and `-` before an id as well; `-` leaves the user out, which this program never asks for.
  const users = [...new Set(ids)].flatMap((id) => directory.find(id.replace(/^\+/, "")) ?? []);
  const sign = orderBy.descending ? -1 : 1;
  const at = (user: Readonly<Record<string, unknown>>) => Number(user[orderBy.field]);
  return users.sort((a, b) => sign * (at(a) - at(b))).slice(offset, offset + limit);
}

function countUsers(directory: ClerkDirectory, { searchParams }: URL): number {
  const ids = searchParams.getAll("user_id");
  return ids.length > 0 ? ids.filter((id) => directory.find(id)).length : directory.count();
}

function toOrder(text: string | null): PageQuery["orderBy"] | undefined {
  // A `+` that was not escaped arrives as a space.
  const match = /^([+\- ]?)(created_at|updated_at)$/.exec(text ?? "-created_at");
  const field = match?.[2];
  if (field !== "created_at" && field !== "updated_at") return undefined;
  return { field, descending: match?.[1] === "-" };
}

function toTimes(params: URLSearchParams): Pick<PageQuery, "createdAtAfterMs" | "createdAtBeforeMs"> {
  const after = params.get("created_at_after");
  const before = params.get("created_at_before");
  return {
    ...(after === null ? {} : { createdAtAfterMs: Number(after) }),
    ...(before === null ? {} : { createdAtBeforeMs: Number(before) }),
  };
}

function toCount(text: string | null, absent: number, min: number, max: number): number | undefined {
  if (text === null) return absent;
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return count >= min && count <= max ? count : undefined;
}

/** The SDK reads a body only if the content type is exactly this one. */
function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

function clerkError(status: number, code: string, message: string, longMessage = message): Response {
  return json(
    { errors: [{ message, long_message: longMessage, code }], clerk_trace_id: crypto.randomUUID().replaceAll("-", "") },
    status,
  );
}

function invalid(parameter: string, message: string): Response {
  return clerkError(422, "form_param_value_invalid", "is invalid", `${parameter} ${message}`);
}

function userNotFound(clerkId: string): Response {
  return clerkError(404, "resource_not_found", "not found", `No user was found with id ${clerkId}`);
}

function unauthorized(given: boolean): Response {
  return given
    ? clerkError(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.")
    : clerkError(401, "authentication_invalid", "Invalid authentication", "Unable to authenticate the request.");
}
