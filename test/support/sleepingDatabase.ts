import { createApp, createDueWork, createServices, startSchedule } from "../../src/compose.ts";
import { systemClock, type Clock } from "../../src/clock.ts";
import { parseConfig } from "../../src/config.ts";
import { silentLog } from "../../src/log.ts";
import { startRehearsal } from "../../src/service/startRehearsal.ts";
import { openDatabase, type Database } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { createPagedClerk } from "./pagedClerk.ts";
import { openTcpProxy } from "./proxy.ts";
import { testSecret } from "./testApp.ts";
import { createTestClock } from "./testClock.ts";
import { openTestDatabase, type TestDatabase } from "./testDatabase.ts";
import { openForTest } from "./toClose.ts";

const stepMs = 15 * 60_000;
const hourMs = 4 * stepMs;

/**
 * Servers whose readiness is asked every quarter of an hour, by a clock that tests move; connections last no longer.
 * Functions have no timers: their trigger calls each hour.
 */
export async function openSleepStage(
  options: { processes?: number; users?: number; env?: Record<string, string>; isFunction?: boolean } = {},
) {
  const { processes: count = 1, users = 10, env = {}, isFunction = false } = options;
  const db = await openForTest(openTestDatabase());
  const clerk = createPagedClerk(users);
  const startMs = Date.now();
  const clock = createTestClock(startMs);
  const processes = await Promise.all(
    Array.from({ length: count }, () =>
      openProcess({ db, clock, env, clerk: env["NO_KEY"] ? null : clerk.api, isFunction }),
    ),
  );

  async function step(): Promise<void> {
    const aheadMs = clock.nowMs() + stepMs - startMs;
    await db.sql`alter database ${db.sql(db.name)} set clerk_neon_sync.clock_offset = ${db.sql.unsafe(`'${aheadMs} ms'`)}`;
    // What is to follow at once takes a timer.
    for (const ms of [stepMs, 0, 0]) {
      await clock.advance(ms);
      for (const process of processes) await process.settle();
    }
    for (const process of processes) await process.endStep();
  }

  /** @returns for each process, in how many quarters of an hour it made a connection */
  async function pass(ms: number): Promise<number[]> {
    const before = processes.map((process) => process.touches());
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) await step();
    return processes.map((process, place) => process.touches() - (before[place] ?? 0));
  }

  return { db, clerk, clock, processes, pass };
}

async function openProcess(deps: {
  db: TestDatabase;
  clock: Clock;
  env: Record<string, string>;
  clerk: ReturnType<typeof createPagedClerk>["api"] | null;
  isFunction: boolean;
}) {
  const { db, clock, clerk } = deps;
  const link = await openForTest(openTcpProxy({ targetPort: Number(new URL(db.url).port) }));
  const opened = openDatabase(
    { dsn: parseDsn(link.urlFor(db.url)), databasePoolMax: 3 },
    { log: silentLog, clock: withRealDeadlines(clock) },
  );
  const { database, settle } = watchCalls(await openForTest(Promise.resolve(opened)));
  const parts = { config: parseConfig(deps.env), database, clock, clerk, log: silentLog };
  const services = createServices(parts);
  const rehearsal = startRehearsal(parts);
  const config = { ...parts.config, webhookSecrets: [testSecret] };
  const dueWork = deps.isFunction ? createDueWork({ ...parts, services }) : undefined;
  const app = createApp({ ...parts, config, services, findRehearsal: rehearsal.findReport, dueWork });
  const schedule = dueWork ? { stop: services.runs.close } : startSchedule({ ...parts, services });
  const openedAtMs = clock.nowMs();
  const close = async () => {
    rehearsal.stop();
    await schedule.stop();
  };
  await openForTest(Promise.resolve({ close }));
  let touches = 0;
  let seen = 0;
  return {
    services,
    link,
    settle,
    touches: () => touches,
    readiness: async () => {
      const res = await app.request("/readyz");
      return { status: res.status, body: (await res.json()) as { databaseAskedAt?: string } };
    },
    endStep: async () => {
      if (dueWork && (clock.nowMs() - openedAtMs) % hourMs === 0)
        await app.request("/api/schedule", { method: "POST" });
      await app.request("/readyz");
      await settle();
      if (link.accepted() > seen) touches += 1;
      seen = link.accepted();
      // As a compute that is suspended does.
      link.cutAll();
      await Bun.sleep(2);
    },
  };
}

/** Deadlines of calls are the computer's: the time of the test moves on while a call is under way. */
function withRealDeadlines(clock: Clock): Clock {
  const sinceMs = performance.now();
  return {
    nowMs: () => clock.nowMs() + performance.now() - sinceMs,
    monotonicMs: () => clock.monotonicMs() + performance.now() - sinceMs,
    setTimer: systemClock.setTimer,
  };
}

/** The same database, and a wait for the end of what is under way. */
function watchCalls(database: Database): { database: Database; settle: () => Promise<void> } {
  let calls = 0;
  const count = async <T>(call: Promise<T>): Promise<T> => {
    calls += 1;
    return call.finally(() => {
      calls -= 1;
    });
  };
  return {
    database: {
      ...database,
      run: (work, options) => count(database.run(work, options)),
      callFunction: (name, argument, options) => count(database.callFunction(name, argument, options)),
    },
    settle: async () => {
      // Between two calls of one piece of work nothing is waited for but Clerk in memory.
      for (let quiet = 0; quiet < 3; quiet = calls > 0 ? 0 : quiet + 1) await Bun.sleep(calls > 0 ? 2 : 0);
    },
  };
}
