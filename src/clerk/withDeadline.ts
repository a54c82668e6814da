import type { Clock } from "../clock.ts";
import type { ClerkApi } from "./clerkApi.ts";

/** Of the 10 s within which a caller is told (CONTRACT 5); the rest is the database's. */
const callerDeadlineMs = 8_000;
/** A call begun after the end fails at once, with the client's own words. */
const deadlineMsMin = 1;

/** Clerk for one request of a caller who waits: all calls made through it together end within 8 s from now. */
export function withDeadline(clerk: ClerkApi, clock: Clock): ClerkApi {
  const endsAtMs = clock.monotonicMs() + callerDeadlineMs;
  const call = () => ({ deadlineMs: Math.max(deadlineMsMin, endsAtMs - clock.monotonicMs()) });
  return {
    getUser: (clerkId) => clerk.getUser(clerkId, call()),
    listUsers: (query) => clerk.listUsers(query, call()),
    findUsers: (clerkIds) => clerk.findUsers(clerkIds, call()),
    findInstanceId: () => clerk.findInstanceId?.(call()) ?? Promise.resolve(null),
    countUsers: () => clerk.countUsers(call()),
  };
}
