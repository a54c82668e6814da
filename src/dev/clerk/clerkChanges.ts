import type { ClerkUser } from "../../clerk/clerkApi.ts";
import { toEpochMs } from "../../clerk/toEpochMs.ts";
import type { ClerkDirectory } from "./clerkDirectory.ts";
import { deletionEvent, type ClerkEvent, userEvent } from "./clerkEvents.ts";
import { createRandom, toIdText } from "./seeded.ts";

/** Live, an envelope's `timestamp` lies this far behind the user's `updated_at`. */
const envelopeLagMs = { min: 10, max: 60 };

/** Changes of users as Clerk makes them: to its own list first, then an event that tells of it. */
export interface ClerkChanges {
  /** @throws Error if the id is or was in use */
  readonly createUser: (user: ClerkUser) => ClerkEvent;
  /** @throws Error if there is no such user */
  readonly updateUser: (clerkId: string, changes: Readonly<Record<string, unknown>>) => ClerkEvent;
  /** @throws Error if there is no such user */
  readonly deleteUser: (clerkId: string) => ClerkEvent;
  /** Is told of each event from now on: the place for a courier. */
  readonly onEvent: (listener: (event: ClerkEvent) => void) => void;
}

export function createClerkChanges(options: {
  directory: ClerkDirectory;
  seed: number;
  /** Of the events, which makes their ids. */
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
  const tell = (event: ClerkEvent) => {
    for (const listener of listeners) listener(event);
    return event;
  };
  const versionOf = (user: ClerkUser) => toEpochMs(user["updated_at"]) ?? now();
  return {
    createUser: (user) => {
      const created = directory.create(user);
      return tell(userEvent("user.created", created, envelope(versionOf(created))));
    },
    updateUser: (clerkId, changes) => {
      const updated = directory.update(clerkId, changes);
      return tell(userEvent("user.updated", updated, envelope(versionOf(updated))));
    },
    deleteUser: (clerkId) => {
      directory.remove(clerkId);
      return tell(deletionEvent(clerkId, envelope(now())));
    },
    onEvent: (listener) => {
      listeners.push(listener);
    },
  };
}
