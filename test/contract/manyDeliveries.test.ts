import { expect, test } from "bun:test";
import type { ClerkEvent } from "../../src/dev/clerk/clerkEvents.ts";
import { currentShapes } from "../../src/dev/clerk/clerkUserShapes.ts";
import { findDifferences } from "../../src/dev/clerk/findDifferences.ts";
import { createCourier, type DeliveryAttempt } from "../../src/dev/clerk/courier.ts";
import { createRandom } from "../../src/dev/clerk/seeded.ts";
import { openSimulatedClerk } from "../../src/dev/clerk/simulatedClerk.ts";
import { openServer } from "../support/openServer.ts";
import { openTestApp, testSecret } from "../support/testApp.ts";
import { openForFile } from "../support/toClose.ts";

const t = openForFile(() => openTestApp());
// The clock stands, so that many changes share a millisecond.
const clerk = openForFile(() => openSimulatedClerk({ seed: 77, now: () => Date.UTC(2026, 5, 1) }));
const server = openForFile(() => openServer((req) => t.app.fetch(req)));

test("2,000 deliveries, shuffled and doubled, 64 at a time: all 200, nothing twice, and the tables equal what Clerk says", async () => {
  const random = createRandom(Number(process.env["SEED"] ?? 5));
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  const events: ClerkEvent[] = [];
  const deleted: string[] = [];
  const alive: string[] = [];
  clerk.changes.onEvent((event) => events.push(event));
  const shapes = Object.values(currentShapes);
  for (let n = 0; n < 420; n++) {
    const user = (shapes[n % shapes.length] ?? currentShapes.emailCode)(clerk.directory.newPerson());
    alive.push(clerk.changes.createUser(user).clerkId ?? "");
  }
  for (let n = 0; n < 80; n++) {
    const clerkId = alive.splice(Math.floor(random() * alive.length), 1)[0] ?? "";
    if (n % 2) clerk.changes.updateUser(clerkId, { first_name: "Soon gone" });
    clerk.changes.deleteUser(clerkId);
    deleted.push(clerkId);
  }
  while (events.length < 1_000) {
    const n = events.length;
    const changes = [{ first_name: `Name ${n}` }, { banned: true }, { image_url: `https://img.clerk.com/${n}` }];
    clerk.changes.updateUser(pick(alive), pick(changes));
  }

  const twice = [...events, ...events].map((event) => ({ event, place: random() })).sort((a, b) => a.place - b.place);
  const attempts: DeliveryAttempt[] = [];
  const courier = createCourier({
    url: `${server.origin}/api/webhooks/clerk`,
    secrets: [testSecret],
    concurrency: 64,
    onAttempt: (attempt) => attempts.push(attempt),
  });
  await Promise.all(twice.map(({ event }) => courier.send(event)));

  const told = (said: string) => attempts.filter((attempt) => attempt.said === said).length;
  expect(attempts.filter((attempt) => attempt.status !== 200)).toEqual([]);
  expect(attempts).toHaveLength(2_000);
  expect(told("duplicate")).toBe(1_000);
  expect(told("applied") + told("unchanged") + told("stale")).toBe(1_000);
  expect(await findDifferences(t.sql, clerk.directory, deleted)).toEqual([]);
  const [ledger] = await t.sql<Record<string, number>[]>`
    select count(*)::int as rows, sum(attempts)::int as attempts, count(distinct clerk_id)::int as users,
           (select count(*)::int from users) as "userRows",
           (select count(*)::int from mentorados m group by lower(email) order by 1 desc limit 1) as "mentoradosPerAddress",
           (select count(*)::int from mentorado_links where action in ('linked', 'created')
            group by clerk_id order by 1 desc limit 1) as "linksPerUser"
    from webhook_events`;
  expect(ledger).toEqual({
    rows: 1_000,
    attempts: 2_000,
    users: 420,
    userRows: 420,
    mentoradosPerAddress: 1,
    linksPerUser: 1,
  });
}, 60_000);
