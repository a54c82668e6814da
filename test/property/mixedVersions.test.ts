import { expect, test } from "bun:test";
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { ClerkApi } from "../../src/clerk/clerkApi.ts";
import { factInstanceId, toBody, toClerkUser, type Fact, type Snapshot } from "../support/clerkFacts.ts";
import { emptyTables } from "../support/courier.ts";
import { history } from "../support/history.ts";
import type { History } from "../support/historyStory.ts";
import { createModel, type Model } from "../support/model.ts";
import { operate } from "../support/operations.ts";
import { lastRelease, openLastRelease } from "../support/programs.ts";
import { openRollingUpdate } from "../support/rollingUpdate.ts";
import { compareTables, findViolations } from "../support/tables.ts";
import { openTestApp, type TestApp } from "../support/testApp.ts";
import { openForTest } from "../support/toClose.ts";
import { createTruthClerk } from "../support/truthClerk.ts";

/** A copy of the last release and one of this version on one database, which the old one migrated first. */
async function openMixedVersions() {
  const { folder } = await openForTest(openLastRelease());
  const update = await openRollingUpdate({ users: 0 });
  await update.run(["migrate"], { folder });
  await update.run(["migrate"]);
  const oldCopy = await update.start({ folder });
  let answer: Snapshot | null = null;
  const clerk: ClerkApi = {
    ...createTruthClerk().api,
    getUser: () => Promise.resolve(answer && toClerkUser(answer, "api")),
  };
  const opened = await openForTest(
    openTestApp({ clerk, clerkInstanceId: factInstanceId, databaseUrl: () => update.db.url }),
  );
  const newCopy: TestApp = { ...opened, sql: update.db.sql };
  let sends = 0;

  /** To the copies in turns; what the copy answers is what the model says. */
  async function deliver(fact: Fact, model: Model): Promise<void> {
    sends += 1;
    const copy = sends % 2 === 0 ? oldCopy : newCopy;
    const { status, said } = await copy.deliver(toBody(fact), { svixId: fact.svixId });
    const [row] = await newCopy.sql<{ receivedAtMs: number }[]>`
      select (extract(epoch from received_at) * 1000)::float8 as "receivedAtMs"
      from webhook_events where svix_id = ${fact.svixId}`;
    const [expected] = model.settleBatch([{ fact, receivedAtMs: row?.receivedAtMs ?? 0 }]);
    const version = copy === oldCopy ? lastRelease.version : "this version";
    const outcome = status === 422 ? "dead" : said;
    assert.deepEqual([status, outcome], [expected === "dead" ? 422 : 200, expected], version);
  }

  return {
    oldCopy,
    /** Delivers everything one after the other; the tables are the model's after the last. */
    carry: async (one: History): Promise<void> => {
      await emptyTables(newCopy.sql);
      const model = createModel();
      const slots = [
        ...one.operations.map(({ slot }) => slot),
        ...one.deliveries.flatMap((delivery) => delivery.slots),
      ];
      for (const slot of [...new Set(slots)].sort((a, b) => a - b)) {
        for (const operation of one.operations.filter((operation) => operation.slot === slot)) {
          const setAnswer = (snapshot: Snapshot | null) => (answer = snapshot);
          await operate({ operation, history: one, model, app: newCopy, setAnswer });
        }
        const facts = one.deliveries.flatMap(({ fact, slots }) => slots.filter((own) => own === slot).map(() => fact));
        for (const fact of facts) await deliver(fact, model);
        assert.deepEqual(await findViolations(newCopy.sql), [], `violated after slot ${slot}`);
      }
      await compareTables(newCopy, model);
    },
  };
}

test(`a copy of ${lastRelease.version} and one of this version, given events alternately, apply the same rules`, async () => {
  const { oldCopy, carry } = await openMixedVersions();
  await fc.assert(fc.asyncProperty(history, carry), { numRuns: 50 });
  expect(oldCopy.unready).toEqual([]);
}, 120_000);
