// Changes of users at Clerk, and their deliveries: late, repeated, out of order, retried or lost.
import { otherEvents, toEvent, type ClerkEvent } from "../../../src/dev/clerk/clerkEvents.ts";
import { currentShapes } from "../../../src/dev/clerk/clerkUserShapes.ts";
import { createRandom } from "../../../src/dev/clerk/seeded.ts";
import type { SimulatedClerk } from "../../../src/dev/clerk/simulatedClerk.ts";
import type { Json } from "../../../src/dev/clerk/clerkUserParts.ts";

/** Mean numbers of events a day. */
export interface Rates {
  readonly signUps: number;
  readonly changes: number;
  readonly deletions: number;
  readonly others: number;
  readonly garbage: number;
}

/** A pending delivery. */
export interface Post {
  readonly event: ClerkEvent;
  readonly dueStep: number;
  readonly attempts: number;
}

/** Svix makes eight attempts within 28 hours. */
const attemptsMax = 8;
const shares = { lost: 0.03, late: 0.15, doubled: 0.1, formerAddress: 0.3 };

/** See `createYearTraffic`. */
export type YearTraffic = ReturnType<typeof createYearTraffic>;

/** @param options.now epoch milliseconds, moved by the simulation */
export function createYearTraffic(options: {
  clerk: SimulatedClerk;
  seed: number;
  rates: Rates;
  stepsADay: number;
  now: () => number;
}) {
  const { clerk, rates, stepsADay, now } = options;
  const random = createRandom(options.seed);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const users = clerk.directory.list({ limit: Infinity, orderBy: { field: "created_at", descending: false } });
  const activeIds = users.map((user) => user.id);
  const deletedIds: string[] = [];
  const formerAddresses: string[] = [];
  /** By user with a lost event: the step from which the tables must be right nevertheless. */
  const unsureUntil = new Map<string, number>();
  let posts: Post[] = [];
  let lost = 0;
  let events = 0;

  const addressOf = (clerkId: string | undefined) => {
    const user = clerkId === undefined ? undefined : clerk.directory.find(clerkId);
    return (user?.["email_addresses"] as Json[] | undefined)?.[0]?.["email_address"] as string | undefined;
  };

  function post(event: ClerkEvent, step: number): void {
    events += 1;
    const late = () => 1 + Math.floor(random() * 1.5 * stepsADay);
    const dueStep = random() < shares.late ? step + late() : step;
    if (random() < shares.lost) lose(event, step);
    else {
      posts.push({ event, dueStep, attempts: 0 });
      if (random() < shares.doubled)
        posts.push({ event, dueStep: dueStep + (random() < 0.5 ? 0 : late()), attempts: 0 });
    }
  }

  function lose({ clerkId }: ClerkEvent, step: number): void {
    lost += 1;
    // The daily full reconcile repairs it.
    if (clerkId !== null) unsureUntil.set(clerkId, step + 2 * stepsADay);
  }

  function change(clerkId: string): ClerkEvent {
    const drawn = random();
    const email = (clerk.directory.find(clerkId)?.["email_addresses"] as Json[] | undefined)?.[0];
    const address = drawn < 0.04 ? addressOf(pick(activeIds)) : drawn < 0.08 ? pick(formerAddresses) : undefined;
    if (email !== undefined && drawn < 0.12) {
      const moved = { ...email, email_address: address ?? `moved.${events}@example.com` };
      return clerk.changes.updateUser(clerkId, { email_addresses: [moved], primary_email_address_id: email["id"] });
    }
    if (drawn < 0.16) return clerk.changes.updateUser(clerkId, { public_metadata: { role: "admin" } });
    if (drawn < 0.2) return clerk.changes.updateUser(clerkId, { last_active_at: now() });
    return clerk.changes.updateUser(clerkId, { first_name: `Name${events}` });
  }

  function signUp(): ClerkEvent {
    const person = clerk.directory.newPerson();
    activeIds.push(person.clerkId);
    const email = random() < shares.formerAddress ? pick(formerAddresses) : undefined;
    return clerk.changes.createUser(currentShapes.emailCode({ ...person, email: email ?? person.email }));
  }

  function deleteOne(): ClerkEvent | undefined {
    const clerkId = pick(activeIds);
    if (clerkId === undefined) return undefined;
    const address = addressOf(clerkId);
    if (address !== undefined) formerAddresses.push(address);
    activeIds.splice(activeIds.indexOf(clerkId), 1);
    deletedIds.push(clerkId);
    return clerk.changes.deleteUser(clerkId);
  }

  function other(): ClerkEvent {
    const type = pick(Object.keys(otherEvents)) ?? "";
    const data = otherEvents[type]?.(pick(activeIds) ?? "");
    const { instanceId } = clerk;
    return { ...toEvent(type, null, data, { svixId: `msg_other${events}`, timestampMs: now(), instanceId }) };
  }

  const garbage = (): ClerkEvent => ({ svixId: `msg_garbage${events}`, type: "", clerkId: null, body: "{" });

  return {
    activeIds,
    deletedIds,
    figures: () => ({ events, lost, waiting: posts.length }),
    /** Changes users at Clerk and queues the deliveries. */
    changeUsers: (step: number): void => {
      const often = (name: keyof Rates, make: () => ClerkEvent | undefined) => {
        for (let left = rates[name] / stepsADay; random() < left; left -= 1) {
          const event = make();
          if (event) post(event, step);
        }
      };
      often("signUps", signUp);
      often("changes", () => change(pick(activeIds) ?? ""));
      often("deletions", deleteOne);
      often("others", other);
      often("garbage", garbage);
    },
    /** Removes and returns the deliveries that are due, in random order. */
    takeDue: (step: number): Post[] => {
      const due = posts.filter((one) => one.dueStep <= step).map((one) => [random(), one] as const);
      posts = posts.filter((one) => one.dueStep > step);
      return due.sort(([a], [b]) => a - b).map(([, one]) => one);
    },
    /** Queues a retry after a 503 or no answer. The first four attempts are within three hours. */
    sendAgain: ({ event, attempts }: Post, step: number): void => {
      const next = { event, attempts: attempts + 1, dueStep: attempts % 4 === 3 ? step + 1 : step };
      if (next.attempts < attemptsMax) posts.push(next);
      else lose(event, step);
    },
    /** Users with a pending delivery, or with a lost one that no full reconcile has repaired yet. */
    unsureIds: (step: number): Set<string> =>
      new Set([
        ...posts.flatMap(({ event }) => event.clerkId ?? []),
        ...[...unsureUntil].flatMap(([clerkId, untilStep]) => (untilStep > step ? clerkId : [])),
      ]),
  };
}
