import { isClerkId } from "../domain/clerkId.ts";
import { isObject } from "../domain/json.ts";
import { AppError } from "../errors.ts";
import type { ClerkCallOptions, ClerkUser, ClerkUserPageQuery, UnreadableElement } from "./clerkApi.ts";
import { type ClerkAnswer, type ClerkRequest, unavailable, unexpectedStatus } from "./clerkRequest.ts";
import { ClerkAnswerTooLarge } from "./readBodyText.ts";

/** Clerk's limits per request (Backend API reference, `GET /v1/users`). */
const pageUsersMax = 500;
const findUsersMax = 100;
/** The start of a JSON list, up to the id of its first user. */
const firstIdPattern = /^\s*\[\s*\{\s*"id"\s*:\s*"(user_[A-Za-z0-9]{1,59})"/;
/** An invalid id is cut to this length in the record of a run. */
const shownCharsMax = 80;

/** `ClerkApi.listUsers`. A page above the size limit is requested in halves, down to the one user too large to read. */
export async function listUsers(
  request: ClerkRequest,
  query: ClerkUserPageQuery,
  options?: ClerkCallOptions,
): Promise<readonly (ClerkUser | UnreadableElement)[]> {
  try {
    return await listOnce(request, query, options);
  } catch (error) {
    if (!(error instanceof ClerkAnswerTooLarge)) throw error;
    if (query.limit > 1) return listHalves(request, query, options);
    const clerkId = firstIdPattern.exec(error.head)?.[1];
    if (clerkId !== undefined) return [{ id: null, clerkId, shown: `${clerkId} (too large)` }];
    if (query.orderBy === "-updated_at") return [{ id: null, shown: "a user (too large)" }];
    // Without this user's id there is no cursor for the next page.
    throw unavailable(
      `Clerk's user record after ${query.startingAfter ?? "the start of the list"} is too large to be read.`,
      error,
    );
  }
}

async function listHalves(
  request: ClerkRequest,
  query: ClerkUserPageQuery,
  options?: ClerkCallOptions,
): Promise<readonly (ClerkUser | UnreadableElement)[]> {
  const half = Math.ceil(query.limit / 2);
  const first = await listUsers(request, { ...query, limit: half }, options);
  if (first.length < half) return first;
  if (query.orderBy === "-updated_at") {
    const offset = (query.offset ?? 0) + half;
    return [...first, ...(await listUsers(request, { ...query, limit: query.limit - half, offset }, options))];
  }
  const lastPlace = first.findLastIndex((element) => toPlaceId(element) !== undefined);
  const startingAfter = toPlaceId(first[lastPlace]);
  if (startingAfter === undefined) throw unavailable("Clerk's list contains no readable user.");
  const kept = first.slice(0, lastPlace + 1);
  const { createdAtAfterMs: _, ...rest } = query;
  const after = { ...rest, startingAfter, limit: query.limit - kept.length };
  return [...kept, ...(await listUsers(request, after, options))];
}

function toPlaceId(element: ClerkUser | UnreadableElement | undefined): string | undefined {
  return element?.id === null ? element.clerkId : element?.id;
}

async function listOnce(
  request: ClerkRequest,
  { limit, orderBy, startingAfter, createdAtAfterMs, offset }: ClerkUserPageQuery,
  options?: ClerkCallOptions,
): Promise<readonly (ClerkUser | UnreadableElement)[]> {
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
  const isRejected = answer.status === 400 || answer.status === 404 || answer.status === 422;
  if (startingAfter !== undefined && isRejected && findErrorCode(answer.body) !== undefined) {
    throw new AppError("not_found", "Clerk does not know the user to start after.");
  }
  return toElements(answer, limit);
}

/** `ClerkApi.findUsers`. An answer above the size limit is requested in halves. */
export async function findUsers(
  request: ClerkRequest,
  clerkIds: readonly string[],
  options?: ClerkCallOptions,
): Promise<readonly ClerkUser[]> {
  checkIds(clerkIds);
  const asked = new Set(clerkIds);
  if (asked.size > findUsersMax) {
    throw new AppError("bad_request", `At most ${findUsersMax} users can be requested at once.`);
  }
  if (asked.size === 0) return [];
  const query = new URLSearchParams({ limit: String(findUsersMax) });
  for (const clerkId of asked) query.append("user_id", clerkId);
  let answer: ClerkAnswer;
  try {
    answer = await request("/v1/users", query, options);
  } catch (error) {
    if (!(error instanceof ClerkAnswerTooLarge) || asked.size === 1) throw error;
    const ids = [...asked];
    const halves = [ids.slice(0, ids.length >> 1), ids.slice(ids.length >> 1)];
    return (await Promise.all(halves.map((half) => findUsers(request, half, options)))).flat();
  }
  const elements = toElements(answer, findUsersMax);
  const users = elements.filter((element) => element.id !== null);
  // If Clerk ignored the filter, ids missing from this answer would be taken for deleted users.
  if (!users.every((user) => asked.has(user.id))) throw unavailable("Clerk returned users that were not requested.");
  return users;
}

/** @throws AppError `bad_request` unless every id is a Clerk user id */
export function checkIds(clerkIds: readonly string[]): void {
  if (!clerkIds.every(isClerkId))
    throw new AppError("bad_request", "A Clerk user id is user_ and 1 to 59 letters or digits.");
}

/** @throws AppError `clerk_unavailable` unless the status is 200 */
export function toBody({ status, body }: ClerkAnswer): unknown {
  if (status !== 200) throw unexpectedStatus(status);
  return body;
}

function toElements(answer: ClerkAnswer, max: number): readonly (ClerkUser | UnreadableElement)[] {
  const body = toBody(answer);
  if (!Array.isArray(body) || body.length > max) {
    throw unavailable("Clerk's answer is not a list of users.");
  }
  return body.map((element: unknown) => (isUser(element) ? element : { id: null, shown: toShown(element) }));
}

/** A label for an unreadable element: its id or its type, no other content. */
function toShown(element: unknown): string {
  if (!isObject(element)) return element === null ? "null" : `an element of the type ${typeof element}`;
  const id = element["id"];
  if (typeof id !== "string" && typeof id !== "number") return "an object without an id";
  return JSON.stringify(id).slice(0, shownCharsMax);
}

/** Whether the value is a Clerk user; Clerk's record of a deletion (`{id, object, deleted: true}`) is not. */
export function isUser(value: unknown): value is ClerkUser {
  return isObject(value) && isClerkId(value["id"]) && value["deleted"] !== true;
}

/** The code in Clerk's error body; undefined for an error that a proxy or load balancer produced. */
export function findErrorCode(body: unknown): string | undefined {
  const errors = isObject(body) ? body["errors"] : undefined;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  const code = isObject(first) ? first["code"] : undefined;
  return typeof code === "string" ? code : undefined;
}
