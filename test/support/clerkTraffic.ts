// What a Clerk instance sends while its users sign up, change and leave: signed, out of order, some of it twice.
import type { ClerkEvent } from "../../src/dev/clerk/clerkEvents.ts";
import { currentShapes } from "../../src/dev/clerk/clerkUserShapes.ts";
import { createRandom } from "../../src/dev/clerk/seeded.ts";
import type { SimulatedClerk } from "../../src/dev/clerk/simulatedClerk.ts";
import type { ServerProcess, TimedAnswer } from "./serverProcess.ts";

/** One attempt to deliver an event. */
interface Attempt {
  readonly event: ClerkEvent;
  readonly copy: ServerProcess;
  readonly answer: TimedAnswer;
}

export interface ClerkTraffic {
  readonly attempts: readonly Attempt[];
  /** All events so far, duplicates left out. */
  readonly events: readonly ClerkEvent[];
  /** Ids of users deleted at Clerk. */
  readonly deletedIds: readonly string[];
  /** No new events from now on; resolves when each one has been answered 200. */
  readonly stop: () => Promise<void>;
  /** Drops what was not delivered. */
  readonly close: () => Promise<void>;
}

/** Events made at once and sent in any order. */
const windowEvents = 40;
/** Of the events, so many are delivered twice. */
const doubledShare = 0.15;
const shares = { createUser: 0.3, deleteUser: 0.12 };
/** A copy that says 503 is asked again after this; so is one that is full. */
const retryAfterMs = 50;
const attemptsMax = 200;
/** Between two deliveries of a sender: the versions are to be tried under load, not the machine. */
const pauseMs = 20;

/**
 * Each sender delivers one event after the other to any of the `copies`, again until it is answered 200.
 * @param copies the load balancer's list, read anew for each attempt
 */
export function startClerkTraffic(
  clerk: SimulatedClerk,
  { copies, senders = 8, seed = 1 }: { copies: () => readonly ServerProcess[]; senders?: number; seed?: number },
): ClerkTraffic {
  const random = createRandom(seed);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  const attempts: Attempt[] = [];
  const events: ClerkEvent[] = [];
  const deletedIds: string[] = [];
  const activeIds: string[] = [];
  const stopping = new AbortController();
  const closing = new AbortController();
  let waiting: ClerkEvent[] = [];

  function nextEvent(): ClerkEvent {
    const drawn = random();
    if (activeIds.length < 5 || drawn < shares.createUser) {
      const user = currentShapes.emailCode(clerk.directory.newPerson());
      activeIds.push(user.id);
      return clerk.changes.createUser(user);
    }
    const clerkId = pick(activeIds);
    if (drawn < shares.createUser + shares.deleteUser) {
      activeIds.splice(activeIds.indexOf(clerkId), 1);
      deletedIds.push(clerkId);
      return clerk.changes.deleteUser(clerkId);
    }
    const role = drawn > 0.95 ? { public_metadata: { role: "admin" } } : {};
    return clerk.changes.updateUser(clerkId, { first_name: `Name${events.length}`, ...role });
  }

  function fillWindow(): void {
    for (let nth = 0; nth < windowEvents; nth += 1) {
      const event = nextEvent();
      events.push(event);
      waiting.push(event, ...(random() < doubledShare ? [event] : []));
    }
    waiting = waiting
      .map((event) => [random(), event] as const)
      .sort(([a], [b]) => a - b)
      .map(([, event]) => event);
  }

  async function deliver(event: ClerkEvent): Promise<void> {
    for (let nth = 0; nth < attemptsMax; nth += 1) {
      const copy = pick(copies());
      const answer = await copy.deliver(event.body, { svixId: event.svixId });
      attempts.push({ event, copy, answer });
      if (answer.status === 200 || closing.signal.aborted) return;
      await Bun.sleep(retryAfterMs);
    }
    throw new Error(`${event.svixId} was sent ${attemptsMax} times and never taken.`);
  }

  async function send(): Promise<void> {
    for (;;) {
      if (waiting.length === 0 && !stopping.signal.aborted) fillWindow();
      const event = waiting.pop();
      if (!event || closing.signal.aborted) return;
      await deliver(event);
      await Bun.sleep(pauseMs);
    }
  }

  const sending = Promise.all(Array.from({ length: senders }, send));
  return {
    attempts,
    events,
    deletedIds,
    stop: async () => {
      stopping.abort();
      await sending;
    },
    close: async () => {
      closing.abort();
      await sending;
    },
  };
}
