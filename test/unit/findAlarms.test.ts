import { expect, test } from "bun:test";
import { alarmCodes } from "../../src/domain/alarm.ts";
import type { SyncRun } from "../../src/domain/syncRun.ts";
import { findAlarms, type ProcessFacts, type StoredFigures } from "../../src/service/findAlarms.ts";
import { wrongKeyAdvice } from "../../src/service/instanceCheck.ts";

const nowMs = Date.UTC(2026, 4, 1, 12, 30);
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const ago = (ms: number) => new Date(nowMs - ms).toISOString();

const calm: StoredFigures = {
  users: { total: 3, active: 3, deleted: 0 },
  links: { linked: 3, unverified: 0, noEmail: 0, conflict: 0 },
  events: { applied: 3, unchanged: 0, stale: 0, ignored: 0, dead: 0 },
  duplicates: 0,
  lastEventAt: ago(1000),
  lag: { p50Ms: 100, p95Ms: 200 },
  oldestDeadAt: null,
  dead: { count: 0, since: null },
  refused: { count: 0, since: null, rules: [] },
  failure: null,
  usualSilenceMs: null,
  firstRunAt: null,
  lagEvents: 100,
  lastReconcile: null,
  hasDefaultTurma: true,
};
const facts: ProcessFacts = { clockOffsetSeconds: null, rehearsal: null, wrongKey: null };
const reconcile: SyncRun = {
  runId: "r",
  kind: "reconcile",
  status: "done",
  dryRun: false,
  startedAt: ago(hourMs),
  finishedAt: ago(hourMs),
  seen: 3,
  applied: 0,
  unchanged: 3,
  stale: 0,
  deleted: 0,
  drift: 0,
  driftByKind: { missing: 0, stale: 0, deleted: 0 },
  error: null,
};
const differing = { ...reconcile, drift: 5 };
const failure = { kind: "backfill", error: "Clerk said no.", since: ago(hourMs) } as const;
const ofKey = { ...failure, error: `CLERK_SECRET_KEY belongs to instance b. ${wrongKeyAdvice}` };

type Changes = Partial<StoredFigures> & { readonly facts?: Partial<ProcessFacts> };

function find({ facts: changed, ...stored }: Changes) {
  return findAlarms({ ...calm, ...stored }, { ...facts, ...changed }, nowMs);
}
const judge = (changes: Changes) => find(changes).map(({ code, severity }) => `${severity} ${code}`);
const silentFor = (hours: number, changes: Changes = {}) => judge({ lastEventAt: ago(hours * hourMs), ...changes });
const fresh = { lastEventAt: null, events: { ...calm.events, applied: 0 } };
const slow = { p50Ms: 100, p95Ms: 60_001 };
const waiting = (ms: number) => ({ count: 2, since: ago(ms), rules: ["users_email_team"] });

test.each<[string, string[], string[]]>([
  ["no webhook for less than six hours", silentFor(5.99), []],
  ["none for six hours", silentFor(6), ["warning silence"]],
  ["none for less than a day", silentFor(23.99), ["warning silence"]],
  ["none for a day", silentFor(24), ["critical silence"]],
  ["a usual weekend", silentFor(60, { usualSilenceMs: 60 * hourMs }), []],
  ["nearly four days where weekends are usual", silentFor(95.99, { usualSilenceMs: 60 * hourMs }), []],
  ["four days, whatever is usual", silentFor(96, { usualSilenceMs: 10 * dayMs }), ["critical silence"]],
  ["twice what is usual", silentFor(20, { usualSilenceMs: 10 * hourMs }), ["warning silence"]],
  [
    "changes that were missed a moment ago",
    silentFor(0.99, { lastReconcile: { ...differing, startedAt: ago(0) } }),
    [],
  ],
  [
    "changes that were missed for an hour",
    silentFor(1, { lastReconcile: { ...differing, startedAt: ago(0) } }),
    ["warning silence"],
  ],
  ["changes missed for six hours", silentFor(6, { lastReconcile: differing }), ["critical silence"]],
  ["changes that a reconcile found before the last webhook", silentFor(0.5, { lastReconcile: differing }), []],
  ["no webhook yet, and no run", judge(fresh), []],
  ["no webhook yet on the day of the first run", judge({ ...fresh, firstRunAt: ago(23 * hourMs) }), []],
  ["no webhook for a day after the first run", judge({ ...fresh, firstRunAt: ago(dayMs) }), ["warning silence"]],
  ["a ledger that has outlived its events", judge({ lastEventAt: null }), ["critical silence"]],
  ["refused events of today", judge({ refused: waiting(dayMs - 1) }), ["warning refused_events"]],
  ["refused events of a day", judge({ refused: waiting(dayMs) }), ["critical refused_events"]],
  ["dead events", judge({ dead: waiting(dayMs) }), ["warning dead_events"]],
  ["a conflict", judge({ links: { ...calm.links, conflict: 1 } }), ["warning conflicts"]],
  ["a failed run", judge({ failure }), ["critical failed_run"]],
  ["a run that the wrong key made fail", judge({ failure: ofKey }), ["critical wrong_key"]],
  [
    "a refused key of this process, and a run that failed otherwise",
    judge({ failure, facts: { wrongKey: { text: `No. ${wrongKeyAdvice}`, since: ago(0) } } }),
    ["critical wrong_key", "critical failed_run"],
  ],
  ["differences that a dry run left", judge({ lastReconcile: { ...differing, dryRun: true } }), ["warning drift"]],
  ["differences that were repaired", judge({ lastReconcile: differing }), []],
  ["a lag of a minute", judge({ lag: { p50Ms: 100, p95Ms: 60_000 } }), []],
  ["a longer lag", judge({ lag: slow, lagEvents: 20 }), ["warning lag"]],
  ["a longer lag of few events", judge({ lag: slow, lagEvents: 19 }), []],
  ["a wrong clock", judge({ facts: { clockOffsetSeconds: -360 } }), ["critical clock"]],
  ["an obstacle", judge({ facts: { rehearsal: { obstacles: ["Table t"], since: ago(0) } } }), ["critical rehearsal"]],
  ["a rehearsal without one", judge({ facts: { rehearsal: { obstacles: [], since: ago(0) } } }), []],
  ["a class that is no label", judge({ hasDefaultTurma: false }), ["warning default_turma"]],
  ["nothing", judge({}), []],
])("alarms of %s", (_, found, expected) => {
  expect(found).toEqual(expected);
});

const everything: Changes = {
  lastEventAt: ago(2 * dayMs),
  dead: { count: 1, since: ago(3 * dayMs) },
  refused: waiting(hourMs),
  links: { ...calm.links, conflict: 3 },
  failure,
  lag: { p50Ms: 1, p95Ms: 120_000 },
  lastReconcile: { ...differing, dryRun: true },
  hasDefaultTurma: false,
  facts: {
    clockOffsetSeconds: 360,
    rehearsal: { obstacles: ["Trigger t of table users (function f) (P0001)"], since: ago(hourMs) },
    wrongKey: {
      text: `CLERK_SECRET_KEY belongs to instance a, but b is expected. ${wrongKeyAdvice}`,
      since: ago(hourMs),
    },
  },
};

test("each alarm is one sentence that says what is wrong and what to do, the critical ones first", () => {
  const alarms = find(everything);
  expect(new Set(alarms.map(({ code }) => code))).toEqual(new Set(alarmCodes));
  expect(alarms.map(({ severity }) => severity).join()).toMatch(/^(?:critical,)+(?:warning,?)+$/);
  for (const { text } of alarms)
    expect(text).toMatch(/^[^.]+(?:\.\w[^.]*)*;[^;]*\.$|^The rehearsal.*; run doctor[^;]*\.$/);
  const textOf = (code: string) => alarms.find((alarm) => alarm.code === code)?.text;
  expect(textOf("silence")).toStartWith("No webhook for 2 days; check in Clerk's dashboard");
  expect(textOf("refused_events")).toStartWith(
    "2 events refused by a rule of the database (users_email_team), the oldest for 1 h; fix",
  );
  expect(textOf("dead_events")).toStartWith("1 dead event, the oldest for 3 days; read");
  expect(textOf("conflicts")).toStartWith("3 users whose mentorado an operator has to choose; link");
  expect(textOf("failed_run")).toBe("The last backfill failed (Clerk said no); fix the cause, then start it again.");
  expect(textOf("wrong_key")).toBe(
    "CLERK_SECRET_KEY belongs to instance a, but b is expected; set the CLERK_SECRET_KEY of the right instance.",
  );
});

test("since is the last webhook, the oldest event, the first failure, or null where it is unknown", () => {
  const since = Object.fromEntries(find(everything).map((alarm) => [alarm.code, alarm.since]));
  expect(since).toEqual({
    silence: ago(2 * dayMs),
    refused_events: ago(hourMs),
    dead_events: ago(3 * dayMs),
    conflicts: null,
    failed_run: ago(hourMs),
    wrong_key: ago(hourMs),
    drift: ago(hourMs),
    lag: null,
    clock: null,
    rehearsal: ago(hourMs),
    default_turma: null,
  });
});

test("before the database was asked, only what the process knows by itself is an alarm", () => {
  const { facts: known } = everything;
  const codes = (changed: Partial<ProcessFacts> = {}) =>
    findAlarms(null, { ...facts, ...changed }, nowMs).map(({ code }) => code);
  expect([codes(), codes(known).sort()]).toEqual([[], ["clock", "rehearsal", "wrong_key"]]);
});
