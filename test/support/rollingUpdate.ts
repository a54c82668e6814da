// Copies of several versions of the program on one database, and what is to hold while one replaces the other.
import { expect } from "bun:test";
import { findDifferences } from "../../src/dev/clerk/findDifferences.ts";
import { openFaultyClerk, type FaultyClerk } from "./faultyClerk.ts";
import { createSyncClient, type SyncClient } from "../../src/trpc/client.ts";
import { startCli } from "./cli.ts";
import type { ClerkTraffic } from "./clerkTraffic.ts";
import { startServerProcess, type ServerProcess, type TimedAnswer } from "./serverProcess.ts";
import { findViolations } from "./tables.ts";
import { testAdminToken } from "./testApp.ts";
import { openTestDatabase, type TestDatabase } from "./testDatabase.ts";
import { openForTest } from "./toClose.ts";

/** A running copy of one version. */
export interface Copy extends ServerProcess {
  readonly client: SyncClient;
  /** Every answer of `/readyz` that was not 200, from its first 200 until it was told to stop. */
  readonly unready: readonly TimedAnswer[];
  /** Takes no more deliveries, then SIGTERM. */
  readonly retire: () => Promise<void>;
}

export interface RollingUpdate {
  readonly db: TestDatabase;
  readonly clerk: FaultyClerk;
  /** The copies that take deliveries. */
  readonly copies: () => readonly Copy[];
  /** Starts a copy, waits until it is ready, and lets it take deliveries. `hasClerk`: with a key, so that it works on runs. */
  readonly start: (options?: { folder?: string | undefined; hasClerk?: boolean }) => Promise<Copy>;
  /** A command of the version in `folder`; fails unless it ends with 0. @returns its standard output */
  readonly run: (args: readonly string[], options?: { folder?: string | undefined }) => Promise<string>;
}

const readinessEveryMs = 50;
/** A load balancer stops sending to a copy before that is told to stop; what is on its way arrives meanwhile. */
const deregistrationMs = 200;

/** An empty database and a Clerk with so many users; everything is closed after the test. */
export async function openRollingUpdate({ users }: { users: number }): Promise<RollingUpdate> {
  const db = await openForTest(openTestDatabase({ migrated: false }));
  const clerk = await openForTest(openFaultyClerk({ users, requestsPer10s: Number.POSITIVE_INFINITY }));
  const keys = { CLERK_SECRET_KEY: clerk.secretKey, CLERK_API_URL: clerk.apiUrl };
  let copies: readonly Copy[] = [];

  return {
    db,
    clerk,
    copies: () => copies,
    start: async ({ folder, hasClerk = false } = {}) => {
      const env = hasClerk ? keys : {};
      const server = await openForTest(startServerProcess({ databaseUrl: db.url, env, folder }));
      expect((await server.get("/readyz")).body).toContain('"ready":true');
      const readiness = await openForTest(watchReadiness(server));
      const copy: Copy = {
        ...server,
        client: createSyncClient({ url: server.url, token: testAdminToken }),
        unready: readiness.unready,
        retire: async () => {
          copies = copies.filter((other) => other !== copy);
          await Bun.sleep(deregistrationMs);
          await readiness.close();
          server.signal("SIGTERM");
          expect(await server.ended).toBe(0);
        },
      };
      copies = [...copies, copy];
      return copy;
    },
    run: async (args, { folder } = {}) => {
      const cli = startCli(args, { DATABASE_URL: db.url }, { folder });
      const { code, stdout, stderr } = await cli.ended;
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      return stdout;
    },
  };
}

function watchReadiness(server: ServerProcess): { unready: TimedAnswer[]; close: () => Promise<void> } {
  const unready: TimedAnswer[] = [];
  const stopping = new AbortController();
  const watching = (async () => {
    while (!stopping.signal.aborted) {
      const answer = await server.get("/readyz");
      if (answer.status !== 200 && !stopping.signal.aborted) unready.push(answer);
      await Bun.sleep(readinessEveryMs);
    }
  })();
  return {
    unready,
    close: async () => {
      stopping.abort();
      await watching;
    },
  };
}

/**
 * Fails unless each delivery was answered 200, or 503 until it was, no event is dead or missing, and the tables are what
 * Clerk says. For traffic that was stopped.
 */
export async function expectNothingLost({ db, clerk }: RollingUpdate, traffic: ClerkTraffic): Promise<void> {
  const isFine = ({ status, headers }: TimedAnswer) => status === 200 || (status === 503 && headers.has("retry-after"));
  const bad = traffic.attempts.filter(({ answer }) => !isFine(answer));
  expect(bad.map(({ answer }) => [answer.status, answer.said])).toEqual([]);
  const ledger = await db.sql<{ svixId: string }[]>`
    select svix_id as "svixId" from webhook_events where outcome <> 'dead'`;
  expect(ledger.map((row) => row.svixId).sort()).toEqual(traffic.events.map(({ svixId }) => svixId).sort());
  expect(await findDifferences(db.sql, clerk.directory, traffic.deletedIds)).toEqual([]);
  expect(await findViolations(db.sql)).toEqual([]);
}

/** Every function of this program, with what tells one installation of it from another. */
export async function readFunctions({ sql }: TestDatabase): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    select concat_ws(' ', n.nspname, p.oid::regprocedure, p.oid, p.xmin, md5(p.prosrc)) as line
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = 'public' or n.nspname like 'clerk\\_sync\\_%' order by 1`;
  return rows.map((row) => row.line);
}
