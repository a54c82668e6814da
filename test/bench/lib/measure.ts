import type { LoadRequest, LoadResult } from "../loader.ts";
import type { BenchDatabase } from "./databases.ts";
import type { IpcChild, ServerChild } from "./ipcChild.ts";
import { findCpuUs, findMemoryBytes, findServerCpuUs } from "./procfs.ts";

/** Before anything is known of a server's speed. */
const warmUpDeliveriesMax = 6_000;
const warmUpMs = 400;
/** How much faster than before a server may be without running out of signed deliveries. */
const headroom = 1.6;
/** A measurement has to be longer than an answer takes; the slowest need seconds. */
const answersInARow = 4;
const stretchedMsMax = 3_000;

export interface Sample {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answered other than 200. */
  readonly failed: number;
  /** Processor time per delivery; undefined where the machine does not tell. */
  readonly serverCpuUs: number | undefined;
  readonly postgresCpuUs: number | undefined;
  /** Write-ahead log per delivery; undefined for a server that stores nothing. */
  readonly walBytes: number | undefined;
  /** Resident memory of the server at the end. */
  readonly memoryBytes: number | undefined;
}

export interface Target {
  readonly server: ServerChild;
  /** undefined: it stores nothing. */
  readonly database: BenchDatabase | undefined;
  /** Places answered 200 and places that were not, to be checked in the tables. */
  readonly answered: { firstPlace: number; sent: number; failed: number[] }[];
  /** Of the latest measurement. */
  perSecond: number;
  p50Ms: number;
}

export interface Bench {
  readonly loader: IpcChild<LoadRequest, LoadResult>;
  readonly postmasterPid: number;
  /** Bytes of write-ahead log that Postgres has written since it was made. */
  readonly findWalBytes: () => Promise<number>;
}

export async function warmUp(bench: Bench, target: Target, atOnce: number): Promise<void> {
  target.perSecond = (warmUpDeliveriesMax * 1000) / warmUpMs / headroom;
  target.p50Ms = 0;
  await measure(bench, target, { atOnce, durationMs: warmUpMs });
}

/** Loads the target once and says what it did and what that cost. */
export async function measure(
  { loader, postmasterPid, findWalBytes }: Bench,
  target: Target,
  request: { atOnce: number; durationMs: number },
): Promise<Sample> {
  const { server, database } = target;
  const { atOnce } = request;
  const durationMs = Math.max(request.durationMs, Math.min(answersInARow * target.p50Ms, stretchedMsMax));
  const firstPlace = database?.nextPlace ?? 0;
  const usage = async () => ({
    server: await findCpuUs(server.pid),
    postgres: await findServerCpuUs(postmasterPid),
    wal: database && (await findWalBytes()),
  });
  const before = await usage();
  const result = await loader.ask({
    url: server.url,
    atOnce,
    durationMs,
    deliveriesMax: database ? Math.ceil((target.perSecond * durationMs * headroom) / 1000) + 2 * atOnce : 2_000,
    firstPlace,
    stored: database?.stored ?? 0,
    repeat: database === undefined,
  });
  const after = await usage();
  if (database) database.nextPlace += result.sent;
  target.answered.push({ firstPlace, sent: result.sent, failed: result.failed });
  target.perSecond = result.perSecond;
  target.p50Ms = result.p50Ms;
  const perDelivery = (name: "server" | "postgres" | "wal") => {
    const [from, to] = [before[name], after[name]];
    return from === undefined || to === undefined ? undefined : (to - from) / result.sent;
  };
  return {
    perSecond: result.perSecond,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    failed: result.failed.length,
    serverCpuUs: perDelivery("server"),
    postgresCpuUs: perDelivery("postgres"),
    walBytes: perDelivery("wal"),
    memoryBytes: await findMemoryBytes(server.pid),
  };
}
