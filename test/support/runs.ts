import { expect } from "bun:test";
import type { Clock } from "../../src/clock.ts";
import type { RunKind, SyncRun } from "../../src/domain/syncRun.ts";
import { silentLog } from "../../src/log.ts";
import { createInstanceCheck } from "../../src/service/instanceCheck.ts";
import { createRunsService, type RunsService } from "../../src/service/runs/runsService.ts";
import { createUserWriter } from "../../src/store/users/userWriter.ts";
import { toClose } from "./toClose.ts";
import { createPagedClerk, type PagedClerk } from "./pagedClerk.ts";
import { openTestApp, type TestApp } from "./testApp.ts";

export interface RunsTest {
  readonly t: TestApp;
  readonly clerk: PagedClerk;
  readonly runs: RunsService;
  /** Resolves at the end of the run, whatever its status. */
  readonly run: (kind: RunKind, options?: { dryRun?: boolean }) => Promise<SyncRun>;
  /** Another process on the same database. */
  readonly otherProcess: () => RunsService;
}

/** A database of its own and a Clerk with so many users; closed after the test. */
export async function openRunsTest(users: number, { clock }: { clock?: Clock } = {}): Promise<RunsTest> {
  const clerk = createPagedClerk(users);
  const t = await openTestApp({ clerk: clerk.api });
  const otherProcess = () => {
    const { database } = t;
    const runs = createRunsService({
      database,
      clerk: clerk.api,
      instanceCheck: createInstanceCheck({ database }),
      log: silentLog,
      writer: createUserWriter({ database, defaultTurma: "neon_estrutura" }),
      clerkRetryMs: 1,
      clock,
    });
    toClose.unshift(() => runs.close());
    return runs;
  };
  toClose.push(t.close);
  const runs = otherProcess();
  return {
    t,
    clerk,
    runs,
    otherProcess,
    run: async (kind, { dryRun = false } = {}) => {
      const { runId } = await runs.start({ kind, dryRun });
      await runs.waitFor(runId);
      return runs.get(runId);
    },
  };
}

/** The figures of a run, those that are not zero. */
export function figuresOf(run: SyncRun): Record<string, unknown> {
  const { status, seen, applied, unchanged, stale, deleted, drift } = run;
  const figures = Object.entries({ seen, applied, unchanged, stale, deleted, drift }).filter(([, count]) => count > 0);
  return { status, ...Object.fromEntries(figures) };
}

/** Where each row version lies and who wrote it: the same again means that nothing was written. */
export async function versionsOf({ sql }: Pick<TestApp, "sql">): Promise<string> {
  const [row] = await sql<{ versions: string }[]>`
    select md5(string_agg(v, ',' order by v)) as versions from (
      select 'u' || id || ctid || xmin from users
      union all select 'm' || id || ctid || xmin from mentorados
      union all select 'l' || id || ctid || xmin from mentorado_links
    ) x(v)`;
  return row?.versions ?? "";
}

/** What Clerk has is what is active here, under the same names, and every active user is linked. */
export async function expectEqualToClerk({ t, clerk }: RunsTest): Promise<void> {
  const rows = await t.sql<{ clerkId: string; name: string; linked: boolean }[]>`
    select clerk_id as "clerkId", name, m.id is not null as linked
    from users u left join mentorados m on m.user_id = u.id where deleted_at is null order by clerk_id collate "C"`;
  const expected = [...clerk.users.values()]
    .map((user) => ({ clerkId: user.id, name: `${String(user["first_name"])} Souza`, linked: true }))
    .sort((a, b) => (a.clerkId < b.clerkId ? -1 : 1));
  expect([...rows]).toEqual(expected);
}

/** Holds every page from the second on until it is let go. */
export function holdPages(r: RunsTest): { reached: Promise<void>; letGo: () => void } {
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  r.clerk.onList = async (query) => {
    if (query.startingAfter === undefined) return;
    reached.resolve();
    await gate.promise;
  };
  toClose.unshift(gate.resolve);
  return { reached: reached.promise, letGo: gate.resolve };
}

/** @returns how long it took, milliseconds */
export async function waitUntil(isSo: () => Promise<boolean>, withinMs: number): Promise<number> {
  const startedAt = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedAt > withinMs) throw new Error("It did not come to be in time.");
    await Bun.sleep(50);
  }
  return performance.now() - startedAt;
}
