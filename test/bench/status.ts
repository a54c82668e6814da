// What an operator asks, with 20,000 and with 1,000,000 users, mentorados and events stored, in one run; and what a
// delivery takes while an operator watches the status. Prints a Markdown table; exits 1 beyond what is promised.
import postgres from "postgres";
import { createServices } from "../../src/compose.ts";
import { parseConfig } from "../../src/config.ts";
import { createApp } from "../../src/http/app.ts";
import { silentLog } from "../../src/log.ts";
import { openDatabase } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import { clerkUser, userEvent } from "../support/events.ts";
import { createFixedClerk, signDelivery, testAdminToken, testSecret } from "../support/testApp.ts";
import { connectTo } from "../support/trpcClient.ts";
import { createDatabase, openBenchServer } from "./lib/databases.ts";
import { toClerkId } from "./lib/deliveries.ts";
import { median } from "./lib/stage.ts";

const sizes = [20_000, 1_000_000] as const;
const rounds = 7;
const callsPerRound = 40;
/** Of `sync.user`, the larger database to the smaller. */
const promisedRatio = 1.5;
/** The figures of users and links are two seconds old at most. */
const promisedStatusMs = 2_000;
const deliveriesPerRound = 150;
const defaultTurma = "neon_estrutura";

/** Rare ones among the many: conflicts, tombstones, unverified addresses, outcomes; the counters as if all had come. */
const variety = `
  update mentorados set user_id = null where user_id % 2000 = 5;
  insert into mentorados (nome_completo, email, turma)
    select nome_completo, email, turma from mentorados where user_id is null;
  update mentorados set user_id = null, email = null where user_id % 100 = 7;
  update users set deleted_at = now(), name = null, email = null, raw_json = null where id % 100 = 7;
  update mentorados set user_id = null, email = null where user_id % 50 = 3;
  update users set email_verified = false where id % 50 = 3;
  update webhook_events e set outcome = case when u.id % 5000 = 1 then 'dead' else 'stale' end
    from users u where u.clerk_id = e.clerk_id and u.id % 1000 = 1;
  insert into event_counters select '-infinity', outcome, -1, count(*) from webhook_events group by outcome;`;

type Client = ReturnType<typeof connectTo>;
type Question = readonly [name: string, ask: (client: Client, nth: number, stored: number) => Promise<unknown>];

const questions: readonly Question[] = [
  ["`sync.user`", (client, nth, stored) => client.sync.user.query({ clerkId: toClerkId((nth * 7919) % stored) })],
  ["`events.list`", (client) => client.events.list.query()],
  ["`events.list`, outcome `dead`", (client) => client.events.list.query({ outcome: "dead" })],
  ["`events.list`, outcome `ignored` (none)", (client) => client.events.list.query({ outcome: "ignored" })],
  [
    "`events.list` of a user",
    (client, nth, stored) => client.events.list.query({ clerkId: toClerkId((nth * 7919) % stored) }),
  ],
  ["`links.conflicts`", (client) => client.links.conflicts.query({ limit: 10 })],
];

const server = await openBenchServer();
try {
  const contestants = [];
  for (const stored of sizes) contestants.push(await openContestant(stored));
  const rows: { name: string; ms: number[] }[] = [];
  for (const [name, ask] of questions) {
    rows.push({
      name,
      ms: await measureBoth((one, nth) => ask(one.client, nth, one.stored), contestants, callsPerRound),
    });
  }
  const status = await measureBoth((one) => one.askStatus(), contestants, 1);
  rows.push({ name: "`sync.status`, counting anew", ms: status });
  const alone = await measureBoth((one) => one.deliver(), contestants, deliveriesPerRound);
  const watched = await measureWatched(contestants);
  rows.push({ name: "a delivery", ms: alone }, { name: "a delivery while the status is watched", ms: watched });
  console.log(toMarkdown(rows));
  const userRatio = toRatio(rows[0]?.ms ?? []);
  if (userRatio > promisedRatio || (status[1] ?? Infinity) > promisedStatusMs) process.exitCode = 1;
  for (const one of contestants) await one.close();
} finally {
  await server.stop();
}

async function openContestant(stored: number) {
  const { url } = await createDatabase(server, { name: `status_${stored}`, tables: "this", stored });
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  await sql.unsafe(variety);
  await sql.unsafe("vacuum (analyze)");
  await sql.end({ timeout: 1 });
  const database = openDatabase({ dsn: parseDsn(url), databasePoolMax: 4 });
  const parts = { database, log: silentLog, defaultTurma };
  // Services that have counted nothing yet: the figures are shared for a while.
  const open = () => {
    const services = createServices({ config: parseConfig({}), database, clerk: createFixedClerk() });
    return createApp({ ...parts, services, webhookSecrets: [testSecret], adminToken: testAdminToken });
  };
  const app = open();
  let delivered = 0;
  return {
    stored,
    client: connectTo({ app }, testAdminToken),
    askStatus: () => connectTo({ app: open() }, testAdminToken).sync.status.query(),
    deliver: async () => {
      const body = JSON.stringify(userEvent(clerkUser(`user_Bench${++delivered}`)));
      const init = { method: "POST", body, headers: signDelivery(body) };
      const { status } = await app.request("/api/webhooks/clerk", init);
      if (status !== 200) throw new Error(`A delivery was answered ${status}`);
    },
    close: database.close,
  };
}

type Contestant = Awaited<ReturnType<typeof openContestant>>;

/** The median of a call for each, milliseconds; they take turns. */
async function measureBoth(
  ask: (one: Contestant, nth: number) => Promise<unknown>,
  contestants: readonly Contestant[],
  calls: number,
): Promise<number[]> {
  const tookMs = contestants.map((): number[] => []);
  for (const one of contestants) for (let nth = 0; nth < calls; nth += 1) await ask(one, nth);
  for (let round = 0; round < rounds; round += 1) {
    for (const [place, one] of contestants.entries()) {
      for (let nth = 0; nth < calls; nth += 1) {
        const startedAt = performance.now();
        await ask(one, round * calls + nth);
        tookMs[place]?.push(performance.now() - startedAt);
      }
    }
  }
  return tookMs.map(median);
}

/** Deliveries beside a page that asks for the status of the same database every half second. */
async function measureWatched(contestants: readonly Contestant[]): Promise<number[]> {
  const results: number[] = [];
  for (const one of contestants) {
    const over = new AbortController();
    const watching = (async () => {
      while (!over.signal.aborted) {
        await one.client.sync.status.query();
        await Bun.sleep(500);
      }
    })();
    results.push(...(await measureBoth((contestant) => contestant.deliver(), [one], deliveriesPerRound)));
    over.abort();
    await watching;
  }
  return results;
}

function toRatio([small = NaN, large = NaN]: readonly number[]): number {
  return large / small;
}

function toMarkdown(rows: readonly { name: string; ms: readonly number[] }[]): string {
  const head = `| p50, milliseconds | ${sizes.map((size) => `${size.toLocaleString("en")} stored`).join(" | ")} | ratio |`;
  const lines = rows.map(
    ({ name, ms }) => `| ${name} | ${ms.map((value) => value.toFixed(2)).join(" | ")} | ${toRatio(ms).toFixed(2)} |`,
  );
  return [head, "|---|---:|---:|---:|", ...lines].join("\n");
}
