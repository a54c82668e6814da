import { AppError } from "../errors.ts";
import { toUserChange } from "../clerk/userChange.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { EventSummary } from "../domain/userStatus.ts";
import type { Log } from "../log.ts";
import type { Database } from "../store/connection/database.ts";
import { listEventHours, type EventHour } from "../store/events/eventSeries.ts";
import type { EventCursor, EventWithPayload } from "../store/events/webhookEvents.ts";
import type { UserService } from "./userService.ts";

/** Read and replay events of the ledger. */
export interface EventsService {
  /** Newest first. */
  readonly list: (filter: {
    outcome?: EventSummary["outcome"] | undefined;
    clerkId?: string | undefined;
    after?: EventCursor | undefined;
    limit: number;
  }) => Promise<EventSummary[]>;
  /** @throws AppError `not_found` */
  readonly get: (svixId: string) => Promise<EventWithPayload>;
  /**
   * Reprocesses the stored payload of an event like a delivery. A `dead` or `ignored` event gets its new outcome in the
   * ledger. Any other event keeps its row; its change is compared with the stored user, usually `unchanged` or `stale`.
   * @throws AppError `not_found`, or `precondition_failed` if the payload has been erased
   */
  readonly replay: (input: {
    svixId: string;
    actor: string;
    requestId?: string | undefined;
  }) => Promise<{ svixId: string; outcome: Outcome }>;
  /** Event figures of the last `hours` hours. */
  readonly series: (input: { hours: number }) => Promise<EventHour[]>;
}

/** Loaded at the first use: drizzle would take a tenth of the start time. */
const loadEvents = () => import("../store/events/webhookEvents.ts");

/** @param deps.instanceId `CLERK_INSTANCE_ID`: a replay ignores events of another instance */
export function createEventsService(deps: {
  database: Database;
  users: Pick<UserService, "applyChange">;
  log: Log;
  instanceId?: string | undefined;
}): EventsService {
  const { database, users, log } = deps;

  async function get(svixId: string): Promise<EventWithPayload> {
    const { findEvent } = await loadEvents();
    const event = await findEvent(database, svixId);
    if (event === null) throw new AppError("not_found", "No event has this svix-id.");
    return event;
  }

  return {
    list: async (filter) => (await loadEvents()).listEvents(database, filter),
    get,
    replay: async ({ svixId, actor, requestId }) => {
      const event = await get(svixId);
      if (event.payload === null)
        throw new AppError(
          "precondition_failed",
          "The payload of this event has been erased; re-sync its user instead.",
        );
      const received = { svixId, body: event.payload, receivedAtMs: Date.parse(event.receivedAt) };
      const outcome = await users.applyChange(toUserChange(received, deps), { replay: true, requestId });
      log.info({ requestId, svixId, outcome, actor }, "[Events] Replayed event");
      return { svixId, outcome };
    },
    series: (input) => listEventHours(database, input),
  };
}
