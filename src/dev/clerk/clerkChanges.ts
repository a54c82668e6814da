import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { toEpochMs } from "../../clerk/toEpochMs.ts";
import type { ClerkDirectory } from "./clerkDirectory.ts";
import { deletionEvent, type ClerkEvent, userEvent } from "./clerkEvents.ts";
import { createRandom, toIdText } from "./seeded.ts";

/** In live traffic the envelope's `timestamp` is this much later than the user's `updated_at`. */
const envelopeLagMs = { min: 10, max: 60 };

/** Changes of users as in Clerk: the user first, then an event about it. */
export interface ClerkChanges {
  /** @throws Error if the id is or was in use */
  readonly createUser: (user: ClerkUser) => ClerkEvent;
  /** @throws Error if there is no such user */
  readonly updateUser: (clerkId: string, changes: Readonly<Record<string, unknown>>) => ClerkEvent;
  /** @throws Error if there is no such user */
  readonly deleteUser: (clerkId: string) => ClerkEvent;
  /** Calls the listener with each event from now on. */
  readonly onEvent: (listener: (event: ClerkEvent) => void) => void;
}

/** Changes and their events, with ids from the seed. */
export function createClerkChanges(options: {
  directory: ClerkDirectory;
  seed: number;
  /** Sequence number of the first event; the events' ids are made from it. */
  firstSequence: number;
  instanceId: string;
  /** Epoch milliseconds. */
  now: () => number;
}): ClerkChanges {
  const { directory, seed, firstSequence, instanceId, now } = options;
  const random = createRandom(seed + 3);
  const listeners: ((event: ClerkEvent) => void)[] = [];
  let events = 0;
  const envelope = (changedAtMs: number) => {
    const lagMs = envelopeLagMs.min + random() * (envelopeLagMs.max - envelopeLagMs.min);
    return {
      svixId: `msg_${toIdText(seed + 5, firstSequence + events++)}`,
      timestampMs: Math.round(changedAtMs + lagMs),
      instanceId,
    };
  };
  const emit = (event: ClerkEvent) => {
    for (const listener of listeners) listener(event);
    return event;
  };
  const versionOf = (user: ClerkUser) => toEpochMs(user["updated_at"]) ?? now();
  return {
    createUser: (user) => {
      const created = directory.create(user);
      return emit(userEvent("user.created", created, envelope(versionOf(created))));
    },
    updateUser: (clerkId, changes) => {
      const updated = directory.update(clerkId, changes);
      return emit(userEvent("user.updated", updated, envelope(versionOf(updated))));
    },
    deleteUser: (clerkId) => {
      directory.remove(clerkId);
      return emit(deletionEvent(clerkId, envelope(now())));
    },
    onEvent: (listener) => {
      listeners.push(listener);
    },
  };
}
