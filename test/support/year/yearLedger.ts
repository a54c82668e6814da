// Compares the tables with what was sent and with their bounds.
import type { Sql } from "postgres";
import { findDifferences } from "../../../src/dev/clerk/findDifferences.ts";
import type { SimulatedClerk } from "../../../src/dev/clerk/simulatedClerk.ts";
import { findViolations } from "../tables.ts";
import { countRows } from "./yearTables.ts";

const dayMs = 86_400_000;
/** Retention runs with each reconcile; one may be missing because its process was killed. */
const sweepDays = 1.5;
const runsKeptMax = 10_000;
const outcomes = 6;
/** The largest lag is some days: ln(3e8) / ln(1.1). */
const lagBucketsMax = 210;

/** What the sender knows about an event. */
export interface Sent {
  readonly firstSentMs: number;
  /** Time of the first answer other than 503; null: none yet. */
  settledMs: number | null;
  isDead: boolean;
}

/** What `findLedgerFaults` and `findBoundFaults` compare the tables with. */
export interface YearFacts {
  readonly sent: ReadonlyMap<string, Sent>;
  /** Number of answers `duplicate`. */
  readonly duplicates: number;
  /** Number of deliveries answered 503 or not at all; their events may have been settled. */
  readonly unanswered: number;
  /** Number of operators' calls that change links. */
  readonly decisions: number;
  readonly eventDays: number;
  readonly ledgerDays: number;
  /** Steps so far; no two are in the same hour. */
  readonly steps: number;
  readonly stepsADay: number;
  readonly nowMs: number;
  readonly runsBefore: number;
  readonly usersEver: number;
}

/** Faults of the ledger, one sentence each. */
export async function findLedgerFaults(sql: Sql, facts: YearFacts): Promise<string[]> {
  const { sent, nowMs } = facts;
  const rows = await sql<{ svixId: string; outcome: string; hasPayload: boolean; isErased: boolean }[]>`
    select e.svix_id as "svixId", e.outcome, e.payload is not null as "hasPayload",
           u.deleted_at is not null or e.outcome = 'ignored' as "isErased"
    from webhook_events e left join users u using (clerk_id)`;
  const ledger = new Map(rows.map((row) => [row.svixId, row]));
  const ageDays = (ms: number) => (nowMs - ms) / dayMs;
  const faults = rows.flatMap(({ svixId, outcome, hasPayload, isErased }) => {
    const known = sent.get(svixId);
    if (known === undefined) return [`${svixId} was never sent`];
    const settledMs = known.settledMs ?? nowMs;
    return [
      ...(outcome !== "dead" && ageDays(settledMs) > facts.ledgerDays + sweepDays
        ? [`${svixId} is older than the retention`]
        : []),
      ...((outcome === "dead") === known.isDead ? [] : [`${svixId} is ${outcome}`]),
      ...(hasPayload && ageDays(settledMs) > facts.eventDays + sweepDays
        ? [`the payload of ${svixId} is older than the retention`]
        : []),
      ...(!hasPayload && !isErased && ageDays(known.firstSentMs) < facts.eventDays
        ? [`the payload of ${svixId} went before its time`]
        : []),
    ];
  });
  const missing = [...sent].flatMap(([svixId, { firstSentMs, settledMs, isDead }]) =>
    settledMs !== null && !ledger.has(svixId) && (isDead || ageDays(firstSentMs) < facts.ledgerDays)
      ? [`${svixId} is missing in the ledger`]
      : [],
  );
  return [...faults, ...missing];
}

/** Faults of the counters, which must add up to all events ever settled, and tables with more rows than their bound. */
export async function findBoundFaults(sql: Sql, facts: YearFacts): Promise<string[]> {
  const rowsOf = await countRows(sql);
  const settled = [...facts.sent.values()].filter(({ settledMs }) => settledMs !== null).length;
  const [sums] = await sql<{ events: number; duplicates: number; history: number; totals: number; oldLags: number }[]>`
    with counters as (
      select hour, outcome, lag_bucket, events from event_counters
      union all select h, outcome, lag_bucket, events
      from event_counters_recent, unnest(array[second, '-infinity']) as h
    )
    select coalesce(sum(events) filter (where hour = '-infinity' and outcome <> 'duplicate'), 0)::int as events,
           coalesce(sum(events) filter (where hour = '-infinity' and outcome = 'duplicate'), 0)::int as duplicates,
           coalesce(sum(events) filter (where hour = '-infinity'), 0)::int as totals,
           coalesce(sum(events) filter (where hour > '-infinity'), 0)::int as history,
           count(*) filter (where lag_bucket >= 0
             and hour < to_timestamp(${facts.nowMs / 1000}) - interval '32 days' and hour > '-infinity')::int as "oldLags"
    from counters`;
  const { events = 0, duplicates = 0, totals = 0, history = 0, oldLags = 0 } = sums ?? {};
  const keptSteps = Math.min(facts.steps, 33 * facts.stepsADay);
  const kept = [...facts.sent.values()].filter(
    ({ settledMs, isDead }) =>
      isDead || facts.nowMs - (settledMs ?? facts.nowMs) <= (facts.ledgerDays + sweepDays) * dayMs,
  ).length;
  const bounds: Record<string, number> = {
    users: facts.usersEver,
    mentorados: rowsOf.get("users") ?? 0,
    // At most two rows for a user (linked, released) and two for a decision of an operator.
    mentorado_links: 2 * (rowsOf.get("users") ?? 0) + 2 * facts.decisions,
    webhook_events: kept,
    event_counters: outcomes * (facts.steps + 2) + 3 * lagBucketsMax * keptSteps,
    event_counters_recent: outcomes * lagBucketsMax,
    sync_runs: Math.min(runsKeptMax + 1, facts.runsBefore + 2 * facts.steps + 10),
    sync_run_pages: 2 * Math.ceil(facts.usersEver / 100) + 2,
  };
  return [
    ...(events === settled ? [] : [`the counters know ${events} events, ${settled} were settled`]),
    ...(totals === history ? [] : [`the counters of the hours add up to ${history}, those of all time to ${totals}`]),
    ...(duplicates >= facts.duplicates && duplicates <= facts.duplicates + facts.unanswered
      ? []
      : [`the counters know ${duplicates} duplicates, ${facts.duplicates} were answered`]),
    ...(oldLags === 0 ? [] : [`${oldLags} lags are older than 32 days`]),
    ...[...rowsOf].flatMap(([table, rows]) => {
      const max = bounds[table];
      if (max === undefined) return [`no bound is known for the table ${table}`];
      return rows <= max ? [] : [`${table} has ${rows} rows, more than ${max}`];
    }),
  ];
}

/** Users whose rows differ from Clerk although they must not, and violated invariants. */
export async function findUserFaults(
  sql: Sql,
  options: { clerk: SimulatedClerk; deletedIds: readonly string[]; unsureIds: ReadonlySet<string> },
): Promise<string[]> {
  const differences = await findDifferences(sql, options.clerk.directory, options.deletedIds);
  const rows = await sql<{ clerkId: string; isHeld: boolean }[]>`
    select clerk_id as "clerkId", link_held_at is not null as "isHeld" from users`;
  const known = new Map(rows.map((row) => [row.clerkId, row]));
  const isUnsure = (line: string) => {
    const clerkId = /^user_\w+/.exec(line)?.[0] ?? "";
    return (
      options.unsureIds.has(clerkId) ||
      // A user all of whose events were lost, and who was deleted before a reconcile, was never stored.
      (options.deletedIds.includes(clerkId) && !known.has(clerkId)) ||
      // A user whom an operator has unlinked gets no other mentorado.
      (known.get(clerkId)?.isHeld === true && line.endsWith("has a verified address and no mentorado"))
    );
  };
  const waiting = await sql<{ clerkId: string }[]>`
    with waiting as (
      select u.clerk_id, clerk_email_key(u.email) as key from users u
      where u.deleted_at is null and u.email_verified and u.link_held_at is null and clerk_email_key(u.email) is not null
        and not exists (select from mentorados m where m.user_id = u.id)
    )
    select min(clerk_id) as "clerkId" from waiting w group by key having count(*) = 1 and (
      select count(*) = 1 and count(m.user_id) = 0 from mentorados m where clerk_email_key(m.email) = key)`;
  return [
    ...differences.filter((line) => !isUnsure(line)),
    ...waiting.flatMap(({ clerkId }) =>
      options.unsureIds.has(clerkId) ? [] : [`${clerkId} is the only user waiting for an unclaimed mentorado`],
    ),
    ...(await findViolations(sql)),
  ];
}
