import postgres from "postgres";
import type { BenchTools } from "./openBench.ts";
import { median, throughLink } from "./stage.ts";

const pings = 100;

/** A statement without work over a link of that length, milliseconds. */
export async function measureLinkRoundTrip(
  tools: Pick<BenchTools, "server" | "link">,
  roundTripMs: number,
): Promise<number> {
  const url = await throughLink(tools, tools.server.url, roundTripMs);
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
