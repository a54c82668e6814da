import { type ClerkEvent, deletionEvent, userEvent } from "./clerkEvents.ts";
import { currentShapes } from "./clerkUserShapes.ts";
import { developmentSeed } from "./developmentKeys.ts";
import { createPerson } from "./person.ts";
import { createRandom, toIdText } from "./seeded.ts";
import { createUserPopulation } from "./userPopulation.ts";

/** Sequence numbers beyond every population: `dev`'s Clerk has none of the users that are deleted. */
const leaversFrom = 10_000_000;
const updatedShare = 0.4;
const leaverEvery = 10;
/** In live traffic an update follows minutes after a sign-up; here it only has to be later. */
const updateGapMs = 10;

/**
 * Sign-ups of the first `users` users of the development Clerk, updates of some, and for every tenth one more who is
 * deleted again, in a shuffled order. The final state equals that Clerk's, so a re-sync changes nothing.
 * @param options.runSeed makes the svix-ids: another one sends the same users as new events
 * @param options.nowMs `timestamp` of every envelope, epoch milliseconds
 */
export function createTraffic(options: {
  users: number;
  runSeed: number;
  instanceId: string;
  nowMs: number;
}): ClerkEvent[] {
  const { users, runSeed, instanceId, nowMs } = options;
  const population = createUserPopulation({ seed: developmentSeed, size: users });
  const random = createRandom(runSeed);
  const events: ClerkEvent[] = [];
  const envelope = () => ({ svixId: `msg_${toIdText(runSeed, events.length)}`, timestampMs: nowMs, instanceId });
  for (let index = 0; index < users; index++) {
    const user = population.userAt(index);
    const versionMs = population.updatedAtMs(index);
    if (random() < updatedShare) {
      const before = { ...user, last_name: "Silva", updated_at: versionMs - updateGapMs };
      events.push(userEvent("user.created", before, envelope()));
      events.push(userEvent("user.updated", user, envelope()));
    } else events.push(userEvent("user.created", user, envelope()));
    if (index % leaverEvery === leaverEvery - 1) {
      const leaver = createPerson(developmentSeed, leaversFrom + index, population.createdAtMs(index));
      events.push(userEvent("user.created", currentShapes.emailCode(leaver), envelope()));
      events.push(deletionEvent(leaver.clerkId, envelope()));
    }
  }
  return shuffle(events, random);
}

/** Fisher–Yates. */
function shuffle<T>(list: readonly T[], random: () => number): T[] {
  const shuffled = [...list];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const place = Math.floor(random() * (last + 1));
    [shuffled[last], shuffled[place]] = [shuffled[place] as T, shuffled[last] as T];
  }
  return shuffled;
}
