import { expect, test } from "bun:test";
import { array, assert, integer, nat, property } from "fast-check";
import { findAlarms, toSilence } from "../../src/page/status/alarms.ts";
import { formatAgo, formatMs } from "../../src/page/shared/format.ts";
import { outcomeNames, sumOf, toLagShare, toLagTicks, toPlotHours, toTicks } from "../../src/page/events/plotScale.ts";
import type { SyncStatus, SyncRun } from "../../src/page/shared/types.ts";

const nowMs = Date.UTC(2026, 4, 1, 12, 30);
const hourMs = 3_600_000;
const ago = (ms: number) => new Date(nowMs - ms).toISOString();

const calm: SyncStatus = {
  users: { total: 3, active: 3, deleted: 0 },
  links: { linked: 3, unverified: 0, noEmail: 0, conflict: 0 },
  events: { applied: 3, unchanged: 0, stale: 0, ignored: 0, dead: 0 },
  duplicates: 0,
  lastEventAt: ago(1000),
  lag: { p50Ms: 100, p95Ms: 200 },
  oldestDeadAt: null,
  lastRun: null,
  drift: null,
};
const run: SyncRun = {
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

test("nothing is said of a calm sync, and everything of one in trouble, the worst first", () => {
  expect(findAlarms({ status: calm, runs: [run] }, nowMs)).toEqual([]);
  const troubled: SyncStatus = {
    ...calm,
    links: { ...calm.links, conflict: 1 },
    events: { ...calm.events, dead: 2 },
    oldestDeadAt: ago(72 * hourMs),
    lastEventAt: ago(48 * hourMs),
    lag: { p50Ms: 100, p95Ms: 120_000 },
  };
  const failed: SyncRun = { ...run, kind: "backfill", status: "failed", error: "Clerk said no" };
  const alarms = findAlarms({ status: troubled, runs: [failed, { ...run, dryRun: true, drift: 5 }] }, nowMs);
  expect(alarms.map(({ tone, at, text }) => `${tone} ${at} ${text}`)).toEqual([
    "bad deliveries No webhook for 2 days. Check that the endpoint in Clerk is enabled.",
    "bad runs The last backfill failed: Clerk said no",
    "warn dead 2 dead events, the oldest from 3 days ago.",
    "warn conflicts 1 user whose mentorado could not be decided.",
    "warn deliveries Changes arrive late: 2 min for the slowest of twenty.",
    "warn runs The last reconcile, a dry run, found 5 differences and repaired none.",
  ]);
});

test("silence is judged by its length: a night is nothing, six hours are odd, a day is an alarm, never is said", () => {
  const toneAfter = (ms: number) => toSilence(ago(ms), nowMs).tone;
  expect([0, 5.9, 6, 23.9, 24, 240].map((hours) => toneAfter(hours * hourMs))).toEqual([
    "good",
    "good",
    "warn",
    "warn",
    "bad",
    "bad",
  ]);
  expect(toSilence(null, nowMs)).toEqual({ tone: "warn", silentForMs: null });
});

test("the axis begins at zero, ends at or above the greatest value, in at most six round and equal steps", () => {
  assert(
    property(nat(2_000_000), (max) => {
      const ticks = toTicks(max);
      const step = ticks[1] ?? 0;
      expect(ticks).toEqual(ticks.map((_, place) => place * step));
      expect(ticks.at(-1)).toBeGreaterThanOrEqual(max);
      expect(ticks.length).toBeWithin(2, 8);
      expect(String(step)).toMatch(/^[125]0*$/);
    }),
  );
});

test("every lag stands between the first and the last label of its axis, a greater one higher", () => {
  assert(
    property(array(integer({ min: 0, max: 800_000_000_000 }), { minLength: 1 }), (lagsMs) => {
      const ticks = toLagTicks(lagsMs);
      expect(ticks.length).toBeGreaterThanOrEqual(2);
      const sorted = lagsMs.toSorted((a, b) => a - b);
      const shares = sorted.map((lagMs) => toLagShare(lagMs, ticks));
      expect(shares).toEqual(shares.toSorted((a, b) => a - b));
      for (const share of shares) expect(share).toBeWithin(0, 1.000001);
      expect(ticks[0]).toBeLessThanOrEqual(Math.max(1, sorted[0] ?? 0));
      expect(ticks.at(-1)).toBeGreaterThan(sorted.at(-1) ?? 0);
    }),
  );
  expect(toLagTicks([])).toEqual([]);
});

test("the plot has every hour, those without a delivery too, and loses none", () => {
  const figures = { applied: 2, unchanged: 0, stale: 1, ignored: 0, dead: 1, duplicate: 3, lagP50Ms: 5, lagP95Ms: 9 };
  const items = [0, 3, 47].map((hours) => ({ ...figures, hour: ago(hours * hourMs + 30 * 60_000) }));
  const hours = toPlotHours(items, 48, nowMs);
  expect(hours.length).toBe(48);
  expect(hours.at(-1)).toMatchObject({ startMs: Date.UTC(2026, 4, 1, 12), total: 7, lagP95Ms: 9 });
  expect(hours.at(-2)).toMatchObject({ total: 0, lagP95Ms: null });
  expect(outcomeNames.map((name) => sumOf(hours, name))).toEqual([6, 0, 3, 9, 0, 3]);
});

test("times are told as people tell them", () => {
  expect([3, 480, 1000, 3250, 59_000, 90_000, 2 * hourMs, 72 * hourMs].map(formatMs)).toEqual([
    "3 ms",
    "480 ms",
    "1 s",
    "3.3 s",
    "59 s",
    "2 min",
    "2 h",
    "3 days",
  ]);
  expect([1000, 30_000, 240_000, 24 * hourMs].map((ms) => formatAgo(nowMs - ms, nowMs, "long"))).toEqual([
    "just now",
    "30 seconds ago",
    "4 minutes ago",
    "yesterday",
  ]);
});
