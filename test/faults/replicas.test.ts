import { expect, test } from "bun:test";
import { clerkUser, deletedEvent, startMs, userEvent } from "../support/events.ts";
import { openTcpProxy } from "../support/proxy.ts";
import { startServerProcess, type TimedAnswer } from "../support/serverProcess.ts";
import { openTestDatabase, testServerUrl } from "../support/testDatabase.ts";
import { openForTest } from "../support/toClose.ts";

const users = 12;
const versions = 40;

interface Planned {
  readonly svixId: string;
  readonly event: object;
}

/** Few users, all of them hot, and every third of them with an address that others have too. */
function planDeliveries(): Planned[] {
  const updates = Array.from({ length: versions }, (_, version) =>
    Array.from({ length: users }, (_, place) => ({
      svixId: `msg_replica_${place}_${version}`,
      event: userEvent(
        clerkUser(`user_Hot${place}`, {
          first_name: `V${version}`,
          last_name: null,
          updated_at: startMs + version,
          email: `hot${place % 3 === 0 ? 0 : place}@example.com`,
        }),
      ),
    })),
  ).flat();
  const deletion = { svixId: "msg_replica_deletion", event: deletedEvent("user_Hot1") };
  return [...updates, deletion].sort(() => Math.random() - 0.5);
}

test("three replicas, hot users and addresses, each delivery to two at once, one killed: exactly once and no deadlock", async () => {
  const db = await openForTest(openTestDatabase());
  const proxy = await openForTest(
    openTcpProxy({ targetPort: Number(new URL(await testServerUrl()).port), delayMs: 10 }),
  );
  const servers = await Promise.all(
    [0, 1, 2].map(() => startServerProcess({ databaseUrl: proxy.urlFor(db.url), env: { DATABASE_POOL_MAX: "4" } })),
  );
  const [first, second, third] = servers as [(typeof servers)[0], (typeof servers)[0], (typeof servers)[0]];
  try {
    const deliveries = planDeliveries();
    const answers: { replica: number; svixId: string; answer: TimedAnswer }[] = [];
    const send = async ({ svixId, event }: Planned, place: number) => {
      const pair = [place % 3, (place + 1) % 3];
      await Promise.all(
        pair.map(async (replica) => {
          const answer = await (servers[replica] ?? first).deliver(event, { svixId });
          answers.push({ replica, svixId, answer });
        }),
      );
    };
    const half = deliveries.length >> 1;
    await Promise.all(deliveries.slice(0, half).map(send));
    const rest = Promise.all(deliveries.slice(half).map(send));
    await Bun.sleep(100);
    third.signal("SIGKILL");
    await rest;

    const alive = answers.filter(({ replica }) => replica !== 2);
    expect(new Set(alive.map(({ answer }) => answer.status))).toEqual(new Set([200]));
    // What only the killed one might have had comes again.
    await Promise.all(deliveries.map(({ svixId, event }) => second.deliver(event, { svixId })));

    expect(await db.sql`select from webhook_events`).toHaveLength(deliveries.length);
    const rows = await db.sql<{ clerkId: string; name: string | null; gone: boolean }[]>`
      select clerk_id as "clerkId", name, deleted_at is not null as gone from users order by id`;
    expect(rows).toHaveLength(users);
    for (const { clerkId, name, gone } of rows) {
      expect([clerkId, name, gone]).toEqual([
        clerkId,
        clerkId === "user_Hot1" ? null : `V${versions - 1}`,
        clerkId === "user_Hot1",
      ]);
    }
    // One mentorado for each address in use; of users who share one a single user has it.
    const owners = await db.sql`select user_id from mentorados where user_id is not null`;
    expect(owners).toHaveLength(users - 1 - 3);
    expect(new Set(owners.map((row) => row["user_id"])).size).toBe(users - 1 - 3);
    const firsts = answers.filter(({ answer }) => answer.status === 200 && answer.said !== "duplicate");
    expect(new Set(firsts.map(({ svixId }) => svixId)).size).toBe(firsts.length);
    const [stats] = await db.sql`select deadlocks::int from pg_stat_database where datname = ${db.name}`;
    expect(stats?.["deadlocks"]).toBe(0);
  } finally {
    for (const server of servers) await server.close();
  }
}, 60_000);
