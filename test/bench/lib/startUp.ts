import type { BenchDatabase } from "./databases.ts";
import { startContestant, type ContestantName } from "./contestants.ts";
import { signHeaders, toDelivery } from "./deliveries.ts";
import { findMemoryBytes } from "./procfs.ts";
import { median } from "./stage.ts";

export interface StartUp {
  readonly contestant: ContestantName;
  /** From starting the process to the first delivery answered 200, milliseconds. */
  readonly firstAnswerMs: number;
  readonly idleMemoryBytes: number;
}

/** Starts the servers in turns, over their own empty databases. */
export async function measureStartUp(
  databases: ReadonlyMap<ContestantName, BenchDatabase>,
  rounds: number,
): Promise<StartUp[]> {
  const found = [...databases.keys()].map((contestant) => ({
    contestant,
    tookMs: [] as number[],
    memory: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { contestant, tookMs, memory } of found) {
      const database = databases.get(contestant);
      if (!database) continue;
      const { svixId, body } = toDelivery(database.nextPlace++, database.stored);
      const startedAt = performance.now();
      const server = await startContestant(contestant, database.url);
      const res = await fetch(`${server.url}/api/webhooks/clerk`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json", ...signHeaders(svixId, body) },
      });
      tookMs.push(performance.now() - startedAt);
      if (!res.ok) throw new Error(`${contestant} answered its first delivery ${res.status}`);
      memory.push((await findMemoryBytes(server.pid)) ?? NaN);
      await server.stop();
    }
  }
  return found.map(({ contestant, tookMs, memory }) => ({
    contestant,
    firstAnswerMs: median(tookMs),
    idleMemoryBytes: median(memory),
  }));
}
