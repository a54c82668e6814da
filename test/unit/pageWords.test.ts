import { expect, test } from "bun:test";
import { array, assert, integer, nat, property } from "fast-check";
import { formatMs } from "../../src/domain/format.ts";
import { explainConflict } from "../../src/page/conflicts/conflictWords.ts";
import { formatAgo } from "../../src/page/shared/format.ts";
import { outcomeNames, sumOf, toLagShare, toLagTicks, toPlotHours, toTicks } from "../../src/page/events/plotScale.ts";
import { explainResync } from "../../src/page/user/userWords.ts";

const nowMs = Date.UTC(2026, 4, 1, 12, 30);
const hourMs = 3_600_000;
const ago = (ms: number) => new Date(nowMs - ms).toISOString();

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

test("durations are shown in their largest unit", () => {
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

test("a re-sync that changed no shown field says why", () => {
  const stored = { deletedAt: null } as NonNullable<Parameters<typeof explainResync>[0]["before"]>;
  const explain = (
    outcome: "stale" | "unchanged" | "applied",
    { before = stored, changed = [] as string[], dryRun = false },
  ) => explainResync({ clerkId: "user_A", outcome, dryRun, before, after: before, changed });
  const tombstone = { ...stored, deletedAt: ago(0) };
  expect(explain("stale", { before: tombstone })).toEndWith("a deleted user stays deleted.");
  expect(explain("unchanged", { before: tombstone })).toEndWith("a deleted user stays deleted.");
  expect(explain("stale", {})).toEndWith("the stored version is newer than Clerk's answer.");
  expect(explain("unchanged", {})).toEndWith("the stored user equals the user in Clerk.");
  expect(explain("applied", {})).toBe("Only the stored JSON of Clerk's user (raw_json) was changed.");
  expect(explain("applied", { dryRun: true })).toEndWith("would be changed.");
  // A role of its own version, or a link, is written although the rest is stale.
  expect(explain("stale", { changed: ["role"] })).toBe("1 field changed.");
});

test("a conflict names an operator's decision only where there must have been one", () => {
  const candidate = (userId: number | null) => ({ id: 1, nomeCompleto: "Ana", email: "a@example.com", userId });
  const explain = (...userIds: (number | null)[]) =>
    explainConflict({ clerkId: "user_A", email: "a@example.com", candidates: userIds.map(candidate) });
  expect(explain()).toStartWith("An operator unlinked this user, and no mentorado has the address.");
  expect(explain(null)).toStartWith("An operator unlinked this user, or the mentorado with this address became free");
  expect(explain(7)).toStartWith("The mentorado with this address belongs to another user.");
  expect(explain(null, 7)).toStartWith("2 mentorados have the address.");
});
