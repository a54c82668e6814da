// Delivers a history to two copies of the app over one database as networks do: out of order, twice, concurrently, with
// lost answers. The model settles the same batches in the order of their commits.
import assert from "node:assert/strict";
import type { RunKind } from "../../src/domain/syncRun.ts";
import { AppError } from "../../src/errors.ts";
import type { Database } from "../../src/store/connection/database.ts";
import { factInstanceId, toBody, toClerkUser, type Fact, type Snapshot } from "./clerkFacts.ts";
import type { History } from "./historyStory.ts";
import { createModel, type Arrival, type Model } from "./model.ts";
import { operate } from "./operations.ts";
import { compareTables, findViolations } from "./tables.ts";
import { openTestApp, type TestApp } from "./testApp.ts";
import { createTruthClerk } from "./truthClerk.ts";

/** One call of `apply_user_changes` that was committed, whether or not its answer came back. */
interface CommittedBatch {
  readonly svixIds: readonly string[];
  readonly outcomes: readonly string[];
}

export interface Courier {
  readonly apps: readonly [TestApp, TestApp];
  /** Delivers everything; compares the answers after each slot, and every table at the end. */
  readonly carry: (history: History) => Promise<{ model: Model; arrivals: readonly Arrival[] }>;
  /** One run against a Clerk that has these users; its status at the end. */
  readonly run: (kind: RunKind, users: readonly Snapshot[]) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** A delivery is retried while it is answered 503; more retries than this are not caused by the network. */
const sendsMax = 10;

export async function openCourier(): Promise<Courier> {
  let batches: CommittedBatch[] = [];
  let faults: History["faults"][number][] = [];
  /** During operations of people: one at a time, and without faults. */
  let operating = false;
  let answer: Snapshot | null | undefined;
  const truth = createTruthClerk();
  const clerk: typeof truth.api = {
    ...truth.api,
    getUser: (clerkId) =>
      answer === undefined ? truth.api.getUser(clerkId) : Promise.resolve(answer && toClerkUser(answer, "api")),
  };
  const wrapDatabase = (database: Database): Database => ({
    ...database,
    callFunction: async (name, argument, options) => {
      if (name !== "apply_user_changes" || operating) return database.callFunction(name, argument, options);
      const fault = faults.shift();
      if (fault === "before") throw new AppError("unavailable", "Never made.");
      const applied = (await database.callFunction(name, argument, options)) as { outcomes: string[] };
      // Between quotes alone it is the column; within another it is part of the version.
      const svixIds = Array.from(options.texts?.matchAll(/"(msg_[^"]*)"/g) ?? [], ([, svixId = ""]) => svixId);
      batches.push({ svixIds, outcomes: applied.outcomes });
      if (fault === "after") throw new AppError("unavailable", "Committed, but the answer was lost.");
      return applied;
    },
  });
  const first = await openTestApp({ clerk, clerkInstanceId: factInstanceId, wrapDatabase });
  const second = await openTestApp({
    clerk,
    clerkInstanceId: factInstanceId,
    wrapDatabase,
    databaseUrl: () => first.db.url,
  });
  const apps = [first, second] as const;
  const { sql } = first;
  let sends = 0;

  async function send(fact: Fact): Promise<void> {
    for (let nth = 0; nth < sendsMax; nth += 1) {
      sends += 1;
      // Each time signed anew.
      const at = new Date(Date.now() - (sends % 200) * 1000);
      const app = apps[sends % 2] ?? first;
      const { status, said } = await app.deliver(toBody(fact), { svixId: fact.svixId, at });
      if (status === 503) continue;
      const outcomes = batches.flatMap((batch) => batch.outcomes[batch.svixIds.indexOf(fact.svixId)] ?? []);
      if (status === 422) assert.ok(outcomes.includes("dead"), `${fact.svixId} answered 422 ${said}`);
      else assert.ok(status === 200 && outcomes.includes(said), `${fact.svixId} answered ${status} ${said}`);
      return;
    }
    assert.fail(`${fact.svixId} was never taken`);
  }

  /** The model settles what was settled, in the order of the commits, and has to say the same of each. */
  async function follow(model: Model, facts: ReadonlyMap<string, Fact>): Promise<Arrival[]> {
    const rows = await sql<{ svixId: string; receivedAtMs: number; settledAt: string }[]>`
      select svix_id as "svixId", (extract(epoch from received_at) * 1000)::float8 as "receivedAtMs",
             to_char(settled_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') as "settledAt"
      from webhook_events`;
    const ledger = new Map(rows.map((row) => [row.svixId, row]));
    // A batch of nothing but repetitions settles nothing; where it stands among the others makes no difference.
    const settledBy = (batch: CommittedBatch) =>
      batch.svixIds
        .filter((_, place) => batch.outcomes[place] !== "duplicate" && batch.outcomes[place] !== "dead")
        .map((svixId) => ledger.get(svixId)?.settledAt ?? "")
        .sort()
        .at(-1) ?? "9";
    const inOrder = batches.map((batch) => [settledBy(batch), batch] as const).sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [, batch] of inOrder) {
      const arrivals = batch.svixIds.map((svixId) => {
        const fact = facts.get(svixId);
        if (!fact) throw new Error(`${svixId} was never sent`);
        return { fact, receivedAtMs: ledger.get(svixId)?.receivedAtMs ?? 0 };
      });
      assert.deepEqual(batch.outcomes, model.settleBatch(arrivals), `outcomes of ${batch.svixIds.join(", ")}`);
    }
    batches = [];
    return rows.flatMap(({ svixId, receivedAtMs }) => {
      const fact = facts.get(svixId);
      return fact ? [{ fact, receivedAtMs }] : [];
    });
  }

  async function carry(history: History): Promise<{ model: Model; arrivals: readonly Arrival[] }> {
    await emptyTables(sql);
    const model = createModel();
    let arrivals: readonly Arrival[] = [];
    const facts = new Map(history.deliveries.map(({ fact }) => [fact.svixId, fact]));
    batches = [];
    operating = false;
    answer = undefined;
    faults = [...history.faults];
    const slots = [...history.operations.map(({ slot }) => slot), ...history.deliveries.flatMap(({ slots }) => slots)];
    for (const slot of [...new Set(slots)].sort((a, b) => a - b)) {
      for (const operation of history.operations.filter((one) => one.slot === slot)) {
        const setAnswer = (snapshot: Snapshot | null) => (answer = snapshot);
        operating = true;
        await operate({ operation, history, model, app: first, setAnswer });
        operating = false;
        answer = undefined;
      }
      const burst = history.deliveries.flatMap(({ fact, slots }) => slots.filter((s) => s === slot).map(() => fact));
      const openers = history.crowded && burst.length > 1 ? toOpeners(slot) : [];
      for (const opener of openers) facts.set(opener.svixId, opener);
      await Promise.all([...openers, ...burst].map(send));
      arrivals = await follow(model, facts);
      assert.deepEqual(await findViolations(sql), [], `violated after slot ${slot}`);
    }
    await compareTables(first, model);
    return { model, arrivals };
  }

  async function run(kind: RunKind, users: readonly Snapshot[]): Promise<string> {
    truth.setUsers(users);
    const { runs } = second.services;
    const { runId } = await runs.start({ kind });
    await runs.waitFor(runId);
    const { status, error } = await runs.get(runId);
    return error === null ? status : `${status}: ${error}`;
  }

  return {
    apps,
    carry,
    run,
    close: async () => {
      await second.close();
      await first.close();
    },
  };
}

/** What occupies the two batches that each copy of the app may have under way. */
function toOpeners(slot: number): Fact[] {
  return [0, 1, 2, 3].map((place) => ({
    kind: "other",
    svixId: `msg_opener_${slot}_${place}`,
    envelope: { value: undefined, meansMs: null },
    clerkId: null,
  }));
}

let emptied = 0;

/** Removes every row that a history leaves. */
export async function emptyTables(sql: TestApp["sql"]): Promise<void> {
  emptied += 1;
  // Emptying tables of a few rows is quicker than truncating them, until what is left behind adds up.
  if (emptied % 50 === 1) {
    await sql`truncate users, mentorados, webhook_events, mentorado_links, event_counters, event_counters_recent, sync_runs restart identity cascade`;
    return;
  }
  await sql.unsafe(
    "delete from mentorados; delete from users; delete from webhook_events; delete from mentorado_links; delete from event_counters; delete from event_counters_recent; delete from sync_runs",
  );
}
