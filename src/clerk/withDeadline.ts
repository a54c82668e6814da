import type { Clock } from "../clock.ts";
import { mapClerkCalls, type ClerkApi } from "./clerkApi.ts";

/** A caller gets an answer within 10 s; the other 2 s are for the database. */
const callerDeadlineMs = 8_000;
/** A call after the deadline fails at once, with the client's own timeout error. */
const deadlineMsMin = 1;

/** A client for one tRPC or command-line request: all calls through it together end within 8 s from now. */
export function withDeadline(clerk: ClerkApi, clock: Clock): ClerkApi {
  const endsAtMs = clock.monotonicMs() + callerDeadlineMs;
  return mapClerkCalls(clerk, (call) => call({ deadlineMs: Math.max(deadlineMsMin, endsAtMs - clock.monotonicMs()) }));
}
