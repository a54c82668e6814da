// One delivery at a time over a link of 20 ms to the database: what it takes once warm, in round trips. Exits 1 beyond
// what is promised.
import postgres from "postgres";
import { startContestant } from "./lib/contestants.ts";
import { createDatabase, openBenchServer } from "./lib/databases.ts";
import { startIpcChild } from "./lib/ipcChild.ts";
import { measure, warmUp, type Target } from "./lib/measure.ts";
import { checkTables } from "./lib/checkTables.ts";
import { median, throughLink } from "./lib/stage.ts";
import type { OpenLink } from "./link.ts";
import type { LoadRequest, LoadResult } from "./loader.ts";

const roundTripMs = 20;
const promisedRoundTrips = 1.3;
const durationMs = 4_000;
const pings = 100;

const server = await openBenchServer();
const link = await startIpcChild<OpenLink, number>("link.ts");
const loader = await startIpcChild<LoadRequest, LoadResult>("loader.ts");
try {
  const database = await createDatabase(server, { name: "round_trip", tables: "this", stored: 0 });
  const url = await throughLink({ server, link }, database.url, roundTripMs);
  const linkMs = await measureLink(url);
  const contestant = await startContestant("this", url);
  const target: Target = { server: contestant, database, answered: [], perSecond: 0, p50Ms: 0 };
  const bench = { loader, postmasterPid: server.pid };
  await warmUp(bench, target, 1);
  const { p50Ms, p99Ms, failed } = await measure(bench, target, { atOnce: 1, durationMs });
  const { wrong } = await checkTables(database, target.answered);
  await contestant.stop();
  console.log(
    `the link itself ${linkMs.toFixed(1)} ms; one delivery p50 ${p50Ms.toFixed(1)} ms = ` +
      `${(p50Ms / roundTripMs).toFixed(2)} × ${roundTripMs} ms, p99 ${p99Ms.toFixed(1)} ms; ` +
      `failed ${failed}, wrong in the tables ${wrong}`,
  );
  if (p50Ms > promisedRoundTrips * roundTripMs || failed > 0 || wrong > 0) process.exitCode = 1;
} finally {
  await loader.stop();
  await link.stop();
  await server.stop();
}

/** A statement without work over the same link, milliseconds. */
async function measureLink(url: string): Promise<number> {
  const sql = postgres(url, { max: 1, fetch_types: false });
  const tookMs: number[] = [];
  for (let ping = 0; ping < pings; ping++) {
    const startedAt = performance.now();
    await sql`select`;
    tookMs.push(performance.now() - startedAt);
  }
  await sql.end({ timeout: 1 });
  return median(tookMs);
}
