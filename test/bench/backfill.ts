// `bun test/bench/backfill.ts [users]`: a backfill against plain inserts of the same rows, and a second one that has
// nothing to write; prints a Markdown table. Exits 1 if the tables are not what they should be.
import postgres from "postgres";
import { createClerkApi } from "../../src/clerk/createClerkApi.ts";
import { silentLog } from "../../src/log.ts";
import { createServices } from "../../src/compose.ts";
import { parseConfig } from "../../src/config.ts";
import type { RunKind, SyncRun } from "../../src/domain/syncRun.ts";
import { openDatabase } from "../../src/store/connection/database.ts";
import { parseDsn } from "../../src/store/connection/dsn.ts";
import type { ClerkAnswer, ClerkRequest } from "./backfillClerk.ts";
import { createDatabase, openBenchServer } from "./lib/databases.ts";
import { startIpcChild } from "./lib/ipcChild.ts";
import { findMemoryBytes, findServerCpuUs } from "./lib/procfs.ts";

const users = Number(process.argv[2] ?? 100_000);
const pageUsers = 500;
const sampleEveryMs = 250;
const mib = 1024 * 1024;

interface Row {
  readonly what: string;
  readonly seconds: number;
  readonly requests?: number;
  readonly memory?: readonly number[];
  /** Of this process and of Postgres, microseconds a user. */
  readonly cpuUs?: readonly number[];
  readonly written: string;
}

const clerkChild = await startIpcChild<ClerkRequest, ClerkAnswer>("backfillClerk.ts");
const server = await openBenchServer();
try {
  const rows = await measure();
  console.log(toTable(rows));
} finally {
  await clerkChild.stop();
  await server.stop();
}

async function measure(): Promise<Row[]> {
  const { apiUrl, secretKey } = await clerkChild.ask({ users });
  const { url } = await createDatabase(server, { name: "backfilled", tables: "this", stored: 0 });
  const plain = await createDatabase(server, { name: "plain", tables: "this", stored: 0 });
  const database = openDatabase({ dsn: parseDsn(url) });
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  const target = postgres(plain.url, { max: 1, onnotice: () => undefined });
  try {
    const clerk = createClerkApi({ secretKey, apiUrl, log: silentLog });
    const { runs } = createServices({ config: parseConfig({}), database, clerk });

    async function run(what: string, kind: RunKind): Promise<Row> {
      const before = await findVersions(sql);
      const asked = (await clerkChild.ask("requestCount")).requestCount;
      const memory: number[] = [];
      const sampler = setInterval(
        () => void findMemoryBytes(process.pid).then((bytes) => memory.push(bytes ?? NaN)),
        sampleEveryMs,
      );
      const [cpu, serverCpuUs] = [process.cpuUsage(), await findServerCpuUs(server.pid)];
      const startedAt = performance.now();
      const { runId } = await runs.start({ kind });
      await runs.waitFor(runId);
      const seconds = (performance.now() - startedAt) / 1000;
      clearInterval(sampler);
      const used = process.cpuUsage(cpu);
      const serverUsedUs = ((await findServerCpuUs(server.pid)) ?? NaN) - (serverCpuUs ?? NaN);
      const result = await runs.get(runId);
      check(result);
      const requests = (await clerkChild.ask("requestCount")).requestCount - asked;
      const after = await findVersions(sql);
      const written = after.sum === before.sum ? "nothing" : `${after.rows - before.rows} rows`;
      const cpuUs = [(used.user + used.system) / users, serverUsedUs / users];
      return { what, seconds, requests, memory, cpuUs, written };
    }

    const first = await run("backfill", "backfill");
    const inserts = await insertPlainly(sql, target);
    const second = await run("backfill again", "backfill");
    const reconcile = await run("reconcile", "reconcile");
    return [{ what: "plain inserts", seconds: inserts, written: "" }, first, second, reconcile];
  } finally {
    await Promise.all([sql.end(), target.end(), database.close()]);
  }
}

function check(run: SyncRun): void {
  if (run.status === "done" && run.seen === users) return;
  console.error(run);
  process.exitCode = 1;
}

/** How many rows the two tables hold, and a sum over where each version of a row lies and who wrote it. */
async function findVersions(sql: postgres.Sql): Promise<{ rows: number; sum: string }> {
  const [row] = await sql<{ rows: number; sum: string }[]>`
    select count(*)::int as rows, sum(hashtext(version)::bigint)::text as sum from (
      select 'u' || ctid || xmin as version from users union all select 'm' || ctid || xmin from mentorados
    ) v`;
  return row ?? { rows: 0, sum: "" };
}

/** The rows of both tables once more, 500 at a time in a transaction each, as a script of an afternoon would. @returns seconds */
async function insertPlainly(from: postgres.Sql, to: postgres.Sql): Promise<number> {
  let spentMs = 0;
  for (let afterId = 0; ;) {
    const page = await from`select * from users where id > ${afterId} order by id limit ${pageUsers}`;
    const ids = page.map((row) => row["id"] as number);
    const mentorados = await from`select * from mentorados where user_id = any(${ids})`;
    if (ids.length === 0) return spentMs / 1000;
    const startedAt = performance.now();
    await to.begin(async (tx) => {
      await tx`insert into users ${tx(page)}`;
      if (mentorados.length > 0) await tx`insert into mentorados ${tx(mentorados)}`;
    });
    spentMs += performance.now() - startedAt;
    afterId = ids.at(-1) ?? 0;
  }
}

function toTable(rows: readonly Row[]): string {
  const plain = rows[0]?.seconds ?? NaN;
  const lines = rows.map(({ what, seconds, requests, memory = [], cpuUs = [], written }) => {
    const [firstMib, peakMib, lastMib] = [memory[0], Math.max(...memory), memory.at(-1)].map((bytes) =>
      Math.round((bytes ?? NaN) / mib),
    );
    return `| ${what} | ${seconds.toFixed(1)} | ${Math.round(users / seconds)} | ${(seconds / plain).toFixed(2)} | ${requests ?? ""} | ${memory.length > 0 ? `${firstMib} / ${peakMib} / ${lastMib}` : ""} | ${cpuUs.map(Math.round).join(" / ")} | ${written} |`;
  });
  return [
    `${users} users, pages of ${pageUsers}`,
    "",
    "| what | s | users/s | times plain inserts | requests | memory first / peak / last MiB | processor here / Postgres, µs a user | written |",
    "|---|--:|--:|--:|--:|--:|--:|---|",
    ...lines,
  ].join("\n");
}
